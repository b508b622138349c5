CREATE OR REPLACE FUNCTION cadence_reporting.comparable(value jsonb, with_ids boolean) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- Only rules come as an array: they have no order.
RETURN CASE jsonb_typeof(value)
    WHEN 'array' THEN (
        SELECT jsonb_agg(one.rule ORDER BY one.rule)
        FROM jsonb_array_elements(value) AS listed (rule)
        CROSS JOIN LATERAL (
            SELECT cadence_reporting.canonical(CASE WHEN with_ids THEN listed.rule ELSE listed.rule - 'id' END) AS rule
        ) AS one
    )
    ELSE value
END
