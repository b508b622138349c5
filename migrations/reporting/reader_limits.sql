CREATE OR REPLACE VIEW cadence_reporting.reader_limits AS
SELECT DISTINCT o.org_id
FROM unnest(cadence_sync.readable_orgs(ARRAY[current_user, session_user])) AS o (org_id)
