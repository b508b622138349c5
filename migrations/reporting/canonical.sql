CREATE OR REPLACE FUNCTION cadence_reporting.canonical(value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CASE jsonb_typeof(value)
        WHEN 'object' THEN
            RETURN (
                SELECT coalesce(jsonb_object_agg(child.key, inner_value.of), '{}')
                FROM jsonb_each(value) AS child
                CROSS JOIN LATERAL (
                    SELECT CASE
                        WHEN child.key = 'id' AND jsonb_typeof(child.value) = 'number' THEN to_jsonb(child.value #>> '{}')
                        ELSE cadence_reporting.canonical(child.value)
                    END AS of
                ) AS inner_value
                WHERE inner_value.of NOT IN ('null', '""', '{}', '[]')
            );
        WHEN 'array' THEN
            RETURN (
                SELECT coalesce(jsonb_agg(cadence_reporting.canonical(child.value) ORDER BY child.place), '[]')
                FROM jsonb_array_elements(value) WITH ORDINALITY AS child (value, place)
            );
        ELSE
            RETURN value;
    END CASE;
END $$
