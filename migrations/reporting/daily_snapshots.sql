CREATE OR REPLACE VIEW cadence_reporting.daily_snapshots AS
SELECT
    h.org_id,
    h.cadence_id,
    day.day,
    EXISTS (
        SELECT FROM cadence_sync.sync_runs AS r
        WHERE r.org_id = h.org_id AND r.outcome <> 'failed'
          AND r.started_at >= day.day::timestamptz AND r.started_at < (day.day + 1)::timestamptz
    ) OR EXISTS (
        -- In no time zone does a day lie inside a day of UTC: it has its beginning, its end, or all of it. So whether
        -- a good run began in it, the first and the last one of each day of UTC say exactly.
        SELECT FROM cadence_sync.daily_runs AS p
        WHERE p.org_id = h.org_id
          AND p.day >= (day.day::timestamptz AT TIME ZONE 'UTC')::date
          AND p.day <= ((day.day + 1)::timestamptz AT TIME ZONE 'UTC')::date
          AND ((p.first_good_at >= day.day::timestamptz AND p.first_good_at < (day.day + 1)::timestamptz)
               OR (p.last_good_at >= day.day::timestamptz AND p.last_good_at < (day.day + 1)::timestamptz))
    ) AS observed,
    flat.*
FROM cadence_reporting.cadence_history AS h
-- OFFSET 0: a version is taken apart once, not once for each of its days.
CROSS JOIN LATERAL (
    SELECT
        h.version,
        h.name,
        h.description,
        h.type,
        h.status,
        h.active,
        h.published,
        h.module_id,
        h.module_api_name,
        h.custom_view_id,
        h.custom_view_name,
        h.created_time,
        h.created_by_id,
        h.created_by_name,
        h.modified_time,
        h.modified_by_id,
        h.modified_by_name,
        h.email_follow_up_count,
        h.task_follow_up_count,
        h.call_follow_up_count,
        h.whatsapp_follow_up_count,
        h.follow_up_count,
        h.execution_type,
        h.execution_end_date,
        h.automatic_unenroll,
        h.execute_every_unit,
        h.execute_every_period,
        h.execution_interval,
        h.unenroll_type,
        h.unenroll_end_date,
        h.valid_from,
        h.last_changed_at
    OFFSET 0
) AS flat
-- The day of a state that ends at some time is over before that time; the open one lasts until today.
CROSS JOIN LATERAL (
    SELECT flat.valid_from::date + number AS day
    FROM generate_series(0, coalesce(h.valid_to::date - 1, current_date) - flat.valid_from::date) AS number
) AS day
WHERE h.kind <> 'deleted'
