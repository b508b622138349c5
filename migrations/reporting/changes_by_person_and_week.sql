CREATE OR REPLACE VIEW cadence_reporting.changes_by_person_and_week AS
SELECT
    h.org_id,
    date_trunc('week', h.changed_at)::date AS week,
    h.changed_by_id,
    max(h.newest_name) AS changed_by_name,
    count(DISTINCT (h.cadence_id, h.version)) AS edits,
    count(DISTINCT h.cadence_id) AS cadences,
    count(*) FILTER (WHERE h.field NOT IN ('*', 'modified_time', 'modified_by.id')) AS field_changes
FROM (
    SELECT c.*, first_value(c.changed_by_name) OVER (
        PARTITION BY c.org_id, c.changed_by_id ORDER BY c.change_id DESC
    ) AS newest_name
    FROM cadence_reporting.change_log AS c
) AS h
GROUP BY h.org_id, date_trunc('week', h.changed_at), h.changed_by_id
