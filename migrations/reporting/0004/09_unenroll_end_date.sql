CREATE FUNCTION cadence_reporting.unenroll_end_date(properties jsonb) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE jsonb_typeof(properties)
        WHEN 'object' THEN (properties ->> 'end_date')::date
        WHEN 'array' THEN (
            SELECT left(written.day, 10)::date
            FROM jsonb_array_elements(properties) WITH ORDINALITY AS rule (properties, place)
            CROSS JOIN LATERAL (
                SELECT coalesce(
                    nullif(rule.properties #>> '{details,unenroll_date}', ''),
                    nullif(rule.properties #>> '{details,end_date}', '')
                ) AS day
            ) AS written
            WHERE rule.properties ->> 'type' = 'end_date' AND written.day IS NOT NULL
            ORDER BY rule.place
            LIMIT 1
        )
    END
$$
