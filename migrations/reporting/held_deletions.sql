CREATE OR REPLACE VIEW cadence_reporting.held_deletions AS
SELECT
    h.org_id,
    h.cadence_id,
    c.name,
    c.module_api_name,
    h.missing_since,
    h.hold_id AS run_id,
    h.decision,
    h.decided_at
FROM cadence_sync.held_deletions AS h
JOIN cadence_sync.cadences AS c ON c.org_id = h.org_id AND c.cadence_id = h.cadence_id
WHERE (
    (SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user])) IS NULL
    OR h.org_id = ANY ((SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user]))::text[])
)
