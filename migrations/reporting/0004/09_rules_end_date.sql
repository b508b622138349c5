CREATE FUNCTION cadence_reporting.rules_end_date(rules jsonb) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(written.day, 10)::date
    FROM jsonb_array_elements(rules) WITH ORDINALITY AS rule (properties, place)
    CROSS JOIN LATERAL (
        SELECT coalesce(
            nullif(rule.properties #>> '{details,unenroll_date}', ''),
            nullif(rule.properties #>> '{details,end_date}', '')
        ) AS day
    ) AS written
    WHERE rule.properties ->> 'type' = 'end_date' AND written.day IS NOT NULL
    ORDER BY rule.place
    LIMIT 1
$$
