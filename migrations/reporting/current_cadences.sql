CREATE OR REPLACE VIEW cadence_reporting.current_cadences AS
SELECT
    c.org_id,
    c.cadence_id,
    c.name,
    c.description,
    c.type,
    c.status,
    c.active,
    c.published,
    c.module_id,
    c.module_api_name,
    c.custom_view_id,
    c.custom_view_name,
    c.created_time,
    c.created_by_id,
    c.created_by_name,
    c.modified_time,
    c.modified_by_id,
    c.modified_by_name,
    s.email_follow_up_count,
    s.task_follow_up_count,
    s.call_follow_up_count,
    s.whatsapp_follow_up_count,
    CASE WHEN s.org_id IS NOT NULL THEN
        coalesce(s.email_follow_up_count, 0) + coalesce(s.task_follow_up_count, 0)
        + coalesce(s.call_follow_up_count, 0) + coalesce(s.whatsapp_follow_up_count, 0)
    END AS follow_up_count,
    e.type AS execution_type,
    e.end_date AS execution_end_date,
    e.automatic_unenroll,
    e.execute_every_unit,
    e.execute_every_period,
    cadence_reporting.interval_in_words(e.execute_every_unit, e.execute_every_period) AS execution_interval,
    e.unenroll_type,
    e.unenroll_end_date,
    c.version,
    c.first_seen_at,
    changed.at AS last_changed_at,
    extract(day FROM now() - c.created_time)::integer AS age_days,
    extract(day FROM now() - changed.at)::integer AS days_since_change
FROM cadence_sync.cadences AS c
LEFT JOIN cadence_sync.follow_up_summaries AS s ON s.org_id = c.org_id AND s.cadence_id = c.cadence_id
LEFT JOIN cadence_sync.execution_details AS e ON e.org_id = c.org_id AND e.cadence_id = c.cadence_id
-- Of a cadence that has not changed since it was first seen, Zoho alone says when it last did.
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN c.version = 1 THEN least(coalesce(c.modified_time, c.created_time), c.last_changed_at)
        ELSE c.last_changed_at
    END AS at
) AS changed
WHERE c.deleted_at IS NULL AND (
    (SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user])) IS NULL
    OR c.org_id = ANY ((SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user]))::text[])
)
