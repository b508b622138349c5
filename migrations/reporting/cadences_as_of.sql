CREATE OR REPLACE FUNCTION cadence_reporting.cadences_as_of(
    at timestamptz, org text DEFAULT NULL, axis text DEFAULT 'valid'
) RETURNS TABLE (
    org_id text,
    cadence_id text,
    name text,
    description text,
    type text,
    status text,
    active boolean,
    published boolean,
    module_id text,
    module_api_name text,
    custom_view_id text,
    custom_view_name text,
    created_time timestamptz,
    created_by_id text,
    created_by_name text,
    modified_time timestamptz,
    modified_by_id text,
    modified_by_name text,
    email_follow_up_count integer,
    task_follow_up_count integer,
    call_follow_up_count integer,
    whatsapp_follow_up_count integer,
    follow_up_count integer,
    execution_type text,
    execution_end_date date,
    automatic_unenroll boolean,
    execute_every_unit integer,
    execute_every_period text,
    execution_interval text,
    unenroll_type text,
    unenroll_end_date date,
    version integer,
    first_seen_at timestamptz,
    last_changed_at timestamptz,
    age_days integer,
    days_since_change integer
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        h.org_id,
        h.cadence_id,
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
        h.version,
        h.first_seen_at,
        h.last_changed_at,
        extract(day FROM at - h.created_time)::integer,
        extract(day FROM at - h.last_changed_at)::integer
    FROM cadence_reporting.history_known_by(cadence_reporting.seen_by(at, axis)) AS h
    -- Asked once and before anything is read: what makes no sense is an error also where nothing would be found.
    WHERE (SELECT cadence_reporting.checked_time(at)) IS NOT NULL
      AND (SELECT cadence_reporting.checked_axis(axis)) IS NOT NULL
      AND (org IS NULL OR h.org_id = (SELECT cadence_reporting.checked_org(org)))
      AND h.kind <> 'deleted'
      AND CASE axis
          WHEN 'valid' THEN
              h.valid_from <= (SELECT cadence_reporting.checked_time(at))
              AND (h.valid_to > (SELECT cadence_reporting.checked_time(at)) OR h.valid_to IS NULL)
          ELSE
              h.observed_at <= (SELECT cadence_reporting.checked_time(at))
              AND NOT EXISTS (
                  SELECT FROM cadence_reporting.stored_versions AS later
                  WHERE later.org_id = h.org_id AND later.cadence_id = h.cadence_id AND later.version > h.version
                    AND later.observed_at <= (SELECT cadence_reporting.checked_time(at))
              )
      END;
END
