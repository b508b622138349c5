CREATE OR REPLACE FUNCTION cadence_reporting.checked_time(at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF at IS NULL THEN
        RAISE EXCEPTION 'no time is given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    -- A client's clock may run ahead of the server's by a little.
    IF at > clock_timestamp() + interval '1 minute' THEN
        RAISE EXCEPTION 'the time % lies in the future', at
            USING ERRCODE = 'datetime_field_overflow', HINT = 'Nothing is known of it yet; now() is the latest.';
    END IF;
    RETURN at;
END $$
