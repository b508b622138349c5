CREATE OR REPLACE FUNCTION cadence_reporting.unenroll_type(properties jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(properties)
    WHEN 'object' THEN properties ->> 'type'
    WHEN 'array' THEN CASE jsonb_array_length(properties) WHEN 1 THEN properties -> 0 ->> 'type' ELSE 'multiple' END
END
