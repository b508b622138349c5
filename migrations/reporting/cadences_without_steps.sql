CREATE OR REPLACE VIEW cadence_reporting.cadences_without_steps AS
SELECT c.org_id, c.cadence_id, c.name, c.module_api_name, c.status, c.active, c.published, c.created_time,
       c.created_by_name, c.age_days
FROM cadence_reporting.current_cadences AS c
WHERE c.follow_up_count = 0
