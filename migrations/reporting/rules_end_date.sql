CREATE OR REPLACE FUNCTION cadence_reporting.rules_end_date(rules jsonb) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT left(written.day #>> '{}', 10)::date
    FROM jsonb_array_elements(rules) WITH ORDINALITY AS rule (properties, place)
    CROSS JOIN LATERAL (VALUES
        (1, rule.properties #> '{details,unenroll_date}'),
        (2, rule.properties #> '{details,end_date}')
    ) AS written (preference, day)
    WHERE rule.properties ->> 'type' = 'end_date' AND jsonb_typeof(written.day) = 'string' AND written.day <> '""'
    ORDER BY rule.place, written.preference
    LIMIT 1;
END
