CREATE OR REPLACE VIEW cadence_reporting.quarantined_records AS
SELECT q.org_id, q.run_id, r.started_at AS observed_at, q.position, q.cadence_id, c.name, q.reason
FROM cadence_sync.quarantined_records AS q
JOIN cadence_sync.sync_runs AS r ON r.org_id = q.org_id AND r.run_id = q.run_id
LEFT JOIN cadence_sync.cadences AS c ON c.org_id = q.org_id AND c.cadence_id = q.cadence_id
WHERE (
    (SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user])) IS NULL
    OR q.org_id = ANY ((SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user]))::text[])
)
