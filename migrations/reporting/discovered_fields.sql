CREATE OR REPLACE VIEW cadence_reporting.discovered_fields AS
SELECT
    l.org_id,
    l.cadence_id,
    c.name AS cadence_name,
    l.version,
    l.field,
    l.value #>> '{}' AS value,
    l.value AS json_value,
    l.observed_at,
    l.run_id
FROM cadence_sync.discovered_fields AS l
-- From the left, so that it is left out where the name is not asked for.
LEFT JOIN cadence_sync.cadences AS c ON c.org_id = l.org_id AND c.cadence_id = l.cadence_id
WHERE (
    (SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user])) IS NULL
    OR l.org_id = ANY ((SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user]))::text[])
)
