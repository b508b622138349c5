CREATE OR REPLACE VIEW cadence_reporting.sync_runs AS
SELECT
    r.org_id,
    r.run_id,
    r.trigger,
    r.started_at,
    r.finished_at,
    r.outcome,
    r.error_code,
    r.error_message,
    r.error_hint,
    r.api_calls,
    r.pages,
    r.seen,
    r.baseline,
    r.created,
    r.updated,
    r.deleted,
    r.restored,
    r.unchanged,
    r.quarantined,
    r.held
FROM cadence_sync.sync_runs AS r
WHERE (
    (SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user])) IS NULL
    OR r.org_id = ANY ((SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user]))::text[])
)
