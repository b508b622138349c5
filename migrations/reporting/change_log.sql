CREATE OR REPLACE VIEW cadence_reporting.change_log AS
SELECT
    h.org_id,
    h.change_id,
    h.cadence_id,
    c.name AS cadence_name,
    c.module_api_name,
    h.version,
    h.kind,
    h.field,
    h.old_value #>> '{}' AS old_value,
    h.new_value #>> '{}' AS new_value,
    h.changed_at,
    h.observed_at,
    h.changed_by_id,
    h.changed_by_name,
    h.run_id
FROM cadence_sync.cadence_changes AS h
JOIN cadence_sync.cadences AS c ON c.org_id = h.org_id AND c.cadence_id = h.cadence_id
WHERE (
    (SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user])) IS NULL
    OR h.org_id = ANY ((SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user]))::text[])
)
