CREATE OR REPLACE VIEW cadence_reporting.activation_timeline AS
SELECT
    s.org_id,
    s.cadence_id,
    c.name,
    c.module_api_name,
    s.state,
    s.began_at,
    lead(s.began_at) OVER w AS ended_at,
    coalesce(lead(s.began_at) OVER w, now()) - s.began_at AS lasted,
    s.changed_by_id,
    s.changed_by_name
FROM (
    SELECT h.*, lag(h.state) OVER (PARTITION BY h.org_id, h.cadence_id ORDER BY h.version) AS state_before
    FROM (
        SELECT org_id, cadence_id, version, valid_from AS began_at, changed_by_id, changed_by_name,
               CASE WHEN kind = 'deleted' THEN 'deleted' WHEN active THEN 'active' WHEN NOT active THEN 'inactive'
                    ELSE 'unknown' END AS state
        FROM cadence_reporting.cadence_history
    ) AS h
) AS s
JOIN cadence_sync.cadences AS c ON c.org_id = s.org_id AND c.cadence_id = s.cadence_id
WHERE s.state IS DISTINCT FROM s.state_before
WINDOW w AS (PARTITION BY s.org_id, s.cadence_id ORDER BY s.began_at)
