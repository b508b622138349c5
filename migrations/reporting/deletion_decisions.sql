CREATE OR REPLACE VIEW cadence_reporting.deletion_decisions AS
SELECT d.org_id, d.hold_id AS run_id, d.decision, d.decided_at, d.decided_by, d.cadences
FROM cadence_sync.deletion_decisions AS d
WHERE (
    (SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user])) IS NULL
    OR d.org_id = ANY ((SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user]))::text[])
)
