CREATE OR REPLACE FUNCTION cadence_reporting.checked_org(org text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM cadence_reporting.sync_freshness AS f WHERE f.org_id = org) THEN
        RAISE EXCEPTION 'there is no organization %', quote_nullable(org)
            USING ERRCODE = 'no_data_found', HINT = 'cadence_reporting.sync_freshness has all of them.';
    END IF;
    RETURN org;
END $$
