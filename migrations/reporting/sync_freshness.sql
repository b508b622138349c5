CREATE OR REPLACE VIEW cadence_reporting.sync_freshness AS
SELECT
    o.org_id,
    o.data_center,
    o.enabled,
    o.first_listed_at AS watched_since,
    o.last_listed_at AS observed_at,
    good.finished_at AS last_success_at,
    now() - good.finished_at AS age,
    extract(epoch FROM now() - good.finished_at)::bigint AS age_seconds,
    latest.run_id AS last_run_id,
    latest.started_at AS last_started_at,
    latest.outcome AS last_outcome,
    latest.error_code AS last_error_code,
    latest.error_message AS last_error_message,
    (SELECT count(*) FROM cadence_sync.cadences AS c WHERE c.org_id = o.org_id AND c.deleted_at IS NULL) AS live,
    (SELECT count(*) FROM cadence_sync.cadences AS c WHERE c.org_id = o.org_id AND c.deleted_at IS NOT NULL) AS deleted,
    (SELECT count(*) FROM cadence_sync.held_deletions AS h
     WHERE h.org_id = o.org_id AND h.decision IS NULL) AS held,
    (SELECT count(*) FROM cadence_sync.held_deletions AS h
     WHERE h.org_id = o.org_id AND h.decision = 'rejected') AS missing,
    (SELECT count(*) FROM cadence_sync.quarantined_records AS q
     WHERE q.org_id = o.org_id AND q.run_id = good.run_id) AS quarantined,
    (SELECT count(*) FROM cadence_sync.schema_drift AS d WHERE d.org_id = o.org_id) AS unknown_fields
FROM cadence_sync.orgs AS o
LEFT JOIN LATERAL (
    SELECT r.run_id, r.started_at, r.outcome, r.error_code, r.error_message
    FROM cadence_sync.sync_runs AS r
    WHERE r.org_id = o.org_id AND r.outcome IS NOT NULL
    ORDER BY r.run_id DESC
    LIMIT 1
) AS latest ON true
LEFT JOIN LATERAL (
    SELECT r.run_id, r.finished_at
    FROM cadence_sync.sync_runs AS r
    WHERE r.org_id = o.org_id AND r.outcome <> 'failed'
    ORDER BY r.run_id DESC
    LIMIT 1
) AS good ON true
WHERE (
    (SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user])) IS NULL
    OR o.org_id = ANY ((SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user]))::text[])
)
