CREATE OR REPLACE VIEW cadence_reporting.steps_by_module AS
SELECT
    c.org_id,
    c.module_id,
    -- A cadence that is held or unreadable keeps the name that its module had before.
    mode() WITHIN GROUP (ORDER BY c.module_api_name) AS module_api_name,
    count(*) AS cadences,
    count(*) FILTER (WHERE c.active) AS active_cadences,
    sum(c.email_follow_up_count) AS email_follow_ups,
    sum(c.task_follow_up_count) AS task_follow_ups,
    sum(c.call_follow_up_count) AS call_follow_ups,
    sum(c.whatsapp_follow_up_count) AS whatsapp_follow_ups,
    sum(c.follow_up_count) AS follow_ups,
    round(avg(c.follow_up_count), 2) AS follow_ups_per_cadence
FROM cadence_reporting.current_cadences AS c
GROUP BY c.org_id, c.module_id
