CREATE OR REPLACE VIEW cadence_reporting.daily_runs AS
SELECT
    d.org_id,
    d.day,
    sum(d.runs)::bigint AS runs,
    sum(d.failed)::bigint AS failed,
    sum(d.api_calls)::bigint AS api_calls,
    min(d.first_good_at) AS first_good_at,
    max(d.last_good_at) AS last_good_at
FROM (
    SELECT
        r.org_id,
        (r.started_at AT TIME ZONE 'UTC')::date AS day,
        1 AS runs,
        CASE WHEN r.outcome = 'failed' THEN 1 ELSE 0 END AS failed,
        r.api_calls::bigint AS api_calls,
        CASE WHEN r.outcome <> 'failed' THEN r.started_at END AS first_good_at,
        CASE WHEN r.outcome <> 'failed' THEN r.started_at END AS last_good_at
    FROM cadence_sync.sync_runs AS r
    UNION ALL
    SELECT p.org_id, p.day, p.runs, p.failed, p.api_calls, p.first_good_at, p.last_good_at
    FROM cadence_sync.daily_runs AS p
) AS d
WHERE (
    (SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user])) IS NULL
    OR d.org_id = ANY ((SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user]))::text[])
)
GROUP BY d.org_id, d.day
