CREATE VIEW cadence_reporting.changes_by_person_and_week AS
SELECT
    h.org_id,
    date_trunc('week', h.changed_at)::date AS week,
    h.changed_by_id,
    (array_agg(h.changed_by_name ORDER BY h.change_id DESC))[1] AS changed_by_name,
    count(DISTINCT (h.cadence_id, h.version)) AS edits,
    count(DISTINCT h.cadence_id) AS cadences,
    count(*) FILTER (WHERE h.field NOT IN ('*', 'modified_time', 'modified_by.id')) AS field_changes
FROM cadence_reporting.change_log AS h
GROUP BY h.org_id, date_trunc('week', h.changed_at), h.changed_by_id
