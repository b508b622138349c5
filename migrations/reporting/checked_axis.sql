CREATE OR REPLACE FUNCTION cadence_reporting.checked_axis(axis text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF axis IS NULL OR axis NOT IN ('valid', 'observed') THEN
        RAISE EXCEPTION 'there is no time axis %', quote_nullable(axis)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It is valid or observed.';
    END IF;
    RETURN axis;
END $$
