CREATE OR REPLACE FUNCTION cadence_reporting.unenroll_end_date(properties jsonb) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(properties)
    WHEN 'object' THEN (properties ->> 'end_date')::date
    WHEN 'array' THEN cadence_reporting.rules_end_date(properties)
END
