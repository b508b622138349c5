CREATE OR REPLACE VIEW cadence_reporting.active_unpublished_cadences AS
SELECT c.org_id, c.cadence_id, c.name, c.module_api_name, c.status, c.modified_time, c.modified_by_name,
       c.last_changed_at, c.days_since_change
FROM cadence_reporting.current_cadences AS c
WHERE c.active AND NOT c.published
