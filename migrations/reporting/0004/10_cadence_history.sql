CREATE VIEW cadence_reporting.cadence_history AS
SELECT
    v.org_id,
    v.cadence_id,
    v.version,
    v.kind,
    v.valid_from,
    v.valid_to,
    v.observed_at,
    v.valid_to IS NULL AS is_newest,
    flat.name,
    flat.description,
    flat.type,
    flat.status,
    flat.active,
    flat.published,
    flat.module_id,
    CASE WHEN v.valid_to IS NULL OR (v.kind = 'deleted' AND c.module_id = flat.module_id) THEN c.module_api_name
         ELSE nullif(received.module ->> 'api_name', '') END
        AS module_api_name,
    flat.custom_view_id,
    CASE WHEN v.valid_to IS NULL OR (v.kind = 'deleted' AND c.custom_view_id = flat.custom_view_id) THEN c.custom_view_name
         ELSE nullif(received.custom_view ->> 'name', '') END
        AS custom_view_name,
    flat.created_time,
    flat.created_by_id,
    CASE WHEN v.valid_to IS NULL OR (v.kind = 'deleted' AND c.created_by_id = flat.created_by_id) THEN c.created_by_name
         ELSE nullif(received.created_by ->> 'name', '') END
        AS created_by_name,
    flat.modified_time,
    flat.modified_by_id,
    CASE WHEN v.valid_to IS NULL OR (v.kind = 'deleted' AND c.modified_by_id = flat.modified_by_id) THEN c.modified_by_name
         ELSE nullif(received.modified_by ->> 'name', '') END
        AS modified_by_name,
    flat.email_follow_up_count,
    flat.task_follow_up_count,
    flat.call_follow_up_count,
    flat.whatsapp_follow_up_count,
    CASE WHEN coalesce(flat.email_follow_up_count, flat.task_follow_up_count, flat.call_follow_up_count,
                       flat.whatsapp_follow_up_count) IS NOT NULL THEN
        coalesce(flat.email_follow_up_count, 0) + coalesce(flat.task_follow_up_count, 0)
        + coalesce(flat.call_follow_up_count, 0) + coalesce(flat.whatsapp_follow_up_count, 0)
    END AS follow_up_count,
    flat.execution_type,
    flat.execution_end_date,
    flat.automatic_unenroll,
    flat.execute_every_unit,
    flat.execute_every_period,
    cadence_reporting.interval_in_words(flat.execute_every_unit, flat.execute_every_period) AS execution_interval,
    flat.unenroll_type,
    flat.unenroll_end_date,
    c.first_seen_at,
    CASE WHEN v.version = 1 THEN least(coalesce(flat.modified_time, flat.created_time), v.valid_from)
         ELSE v.valid_from END AS last_changed_at,
    (SELECT max(h.changed_by_id) FROM cadence_sync.cadence_changes AS h
     WHERE h.org_id = v.org_id AND h.cadence_id = v.cadence_id AND h.version = v.version) AS changed_by_id,
    (SELECT max(h.changed_by_name) FROM cadence_sync.cadence_changes AS h
     WHERE h.org_id = v.org_id AND h.cadence_id = v.cadence_id AND h.version = v.version) AS changed_by_name,
    ARRAY(SELECT h.field FROM cadence_sync.cadence_changes AS h
          WHERE h.org_id = v.org_id AND h.cadence_id = v.cadence_id AND h.version = v.version AND h.field <> '*'
          ORDER BY h.field) AS changed_fields,
    CASE v.kind
        WHEN 'baseline' THEN 'was there when watching began'
        WHEN 'created' THEN 'created'
        WHEN 'deleted' THEN 'deleted'
        WHEN 'restored' THEN 'came back after it was deleted'
        ELSE coalesce(
            (SELECT string_agg(
                 h.field || ': ' || coalesce(left(h.old_value #>> '{}', 200), '(none)')
                 || ' → ' || coalesce(left(h.new_value #>> '{}', 200), '(none)'), '; ' ORDER BY h.field)
             FROM cadence_sync.cadence_changes AS h
             WHERE h.org_id = v.org_id AND h.cadence_id = v.cadence_id AND h.version = v.version
               AND h.field NOT IN ('modified_time', 'modified_by.id')),
            'edited, but in no field that the list shows')
    END AS what_changed,
    v.run_id,
    known.document
FROM cadence_sync.cadence_versions AS v
-- From the left, though each version has its row there: it keeps the history in front when it is read as a whole.
LEFT JOIN cadence_sync.cadences AS c ON c.org_id = v.org_id AND c.cadence_id = v.cadence_id
-- The names that came with an older version. With a deletion nothing came: it has those of today, of what is the same.
LEFT JOIN LATERAL json_to_record(CASE WHEN v.valid_to IS NOT NULL THEN v.raw END)
    AS received (module json, custom_view json, created_by json, modified_by json) ON true
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN v.valid_to IS NULL AND c.learnt <> '{}' THEN cadence_reporting.with_learnt(v.document, c.learnt)
        ELSE v.document
    END AS document
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
) AS flat
