CREATE OR REPLACE FUNCTION cadence_reporting.checked_period(from_at timestamptz, to_at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF from_at > to_at THEN
        RAISE EXCEPTION 'the period begins at %, after its end at %', from_at, to_at
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give the earlier time first.';
    END IF;
    RETURN cadence_reporting.checked_time(from_at);
END $$
