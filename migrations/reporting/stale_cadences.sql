CREATE OR REPLACE VIEW cadence_reporting.stale_cadences AS
SELECT c.org_id, c.cadence_id, c.name, c.module_api_name, c.status, c.active, c.last_changed_at, c.days_since_change,
       c.modified_by_name
FROM cadence_reporting.current_cadences AS c
WHERE c.last_changed_at < now() - interval '1 year'
