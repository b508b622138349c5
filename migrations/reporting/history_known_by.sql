CREATE OR REPLACE FUNCTION cadence_reporting.history_known_by(at timestamptz) RETURNS TABLE (
    org_id text,
    cadence_id text,
    version integer,
    kind text,
    valid_from timestamptz,
    valid_to timestamptz,
    observed_at timestamptz,
    is_newest boolean,
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
    first_seen_at timestamptz,
    last_changed_at timestamptz,
    changed_by_id text,
    changed_by_name text,
    changed_fields text[],
    what_changed text,
    run_id bigint,
    document jsonb
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        v.org_id, v.cadence_id, v.version, v.kind, v.valid_from, v.valid_to, v.observed_at,
        v.valid_to IS NULL,
        flat.name, flat.description, flat.type, flat.status, flat.active, flat.published,
        flat.module_id, v.module_api_name, flat.custom_view_id, v.custom_view_name,
        flat.created_time, flat.created_by_id, v.created_by_name,
        flat.modified_time, flat.modified_by_id, v.modified_by_name,
        flat.email_follow_up_count, flat.task_follow_up_count, flat.call_follow_up_count, flat.whatsapp_follow_up_count,
        CASE WHEN coalesce(flat.email_follow_up_count, flat.task_follow_up_count, flat.call_follow_up_count,
                           flat.whatsapp_follow_up_count) IS NOT NULL THEN
            coalesce(flat.email_follow_up_count, 0) + coalesce(flat.task_follow_up_count, 0)
            + coalesce(flat.call_follow_up_count, 0) + coalesce(flat.whatsapp_follow_up_count, 0)
        END,
        flat.execution_type, flat.execution_end_date, flat.automatic_unenroll,
        flat.execute_every_unit, flat.execute_every_period,
        cadence_reporting.interval_in_words(flat.execute_every_unit, flat.execute_every_period),
        flat.unenroll_type, flat.unenroll_end_date,
        v.first_seen_at,
        CASE WHEN v.version = 1 THEN least(coalesce(flat.modified_time, flat.created_time), v.valid_from)
             ELSE v.valid_from END,
        v.changed_by_id, v.changed_by_name, v.changed_fields, v.what_changed,
        v.run_id,
        known.document
    FROM cadence_reporting.stored_versions AS v
    -- An aggregate, so that a document is put together once, not once for each of the columns below.
    CROSS JOIN LATERAL (
        -- Objects before what is in them, values before nulls: a null must not be lost below one that is null still.
        SELECT coalesce(
            cadence_reporting.known_document(
                v.document, l.field, l.json_value
                ORDER BY length(l.field) - length(replace(l.field, '.', '')), l.json_value = 'null'
            ),
            v.document
        ) AS document
        FROM cadence_reporting.discovered_fields AS l
        WHERE l.org_id = v.org_id AND l.cadence_id = v.cadence_id AND l.version = v.version AND l.observed_at <= at
    ) AS known
    CROSS JOIN LATERAL (
        SELECT
            known.document ->> 'name' AS name,
            known.document ->> 'description' AS description,
            known.document ->> 'type' AS type,
            known.document ->> 'status' AS status,
            (known.document ->> 'active')::boolean AS active,
            (known.document ->> 'published')::boolean AS published,
            known.document #>> '{module,id}' AS module_id,
            known.document #>> '{custom_view,id}' AS custom_view_id,
            (known.document ->> 'created_time')::timestamptz AS created_time,
            known.document #>> '{created_by,id}' AS created_by_id,
            (known.document ->> 'modified_time')::timestamptz AS modified_time,
            known.document #>> '{modified_by,id}' AS modified_by_id,
            (known.document #>> '{summary,email_follow_up_count}')::integer AS email_follow_up_count,
            (known.document #>> '{summary,task_follow_up_count}')::integer AS task_follow_up_count,
            (known.document #>> '{summary,call_follow_up_count}')::integer AS call_follow_up_count,
            (known.document #>> '{summary,whatsapp_follow_up_count}')::integer AS whatsapp_follow_up_count,
            known.document #>> '{execution_details,type}' AS execution_type,
            (known.document #>> '{execution_details,end_date}')::date AS execution_end_date,
            (known.document #>> '{execution_details,automatic_unenroll}')::boolean AS automatic_unenroll,
            (known.document #>> '{execution_details,execute_every,unit}')::integer AS execute_every_unit,
            known.document #>> '{execution_details,execute_every,period}' AS execute_every_period,
            cadence_reporting.unenroll_type(known.document #> '{execution_details,unenroll_properties}') AS unenroll_type,
            cadence_reporting.unenroll_end_date(known.document #> '{execution_details,unenroll_properties}')
                AS unenroll_end_date
    ) AS flat;
END
