CREATE OR REPLACE VIEW cadence_reporting.stored_versions AS
SELECT
    v.org_id,
    v.cadence_id,
    v.version,
    v.kind,
    v.valid_from,
    v.valid_to,
    v.observed_at,
    CASE WHEN v.valid_to IS NULL OR (v.kind = 'deleted' AND c.module_id = v.document #>> '{module,id}')
         THEN c.module_api_name ELSE nullif(received.module ->> 'api_name', '') END
        AS module_api_name,
    CASE WHEN v.valid_to IS NULL OR (v.kind = 'deleted' AND c.custom_view_id = v.document #>> '{custom_view,id}')
         THEN c.custom_view_name ELSE nullif(received.custom_view ->> 'name', '') END
        AS custom_view_name,
    CASE WHEN v.valid_to IS NULL OR (v.kind = 'deleted' AND c.created_by_id = v.document #>> '{created_by,id}')
         THEN c.created_by_name ELSE nullif(received.created_by ->> 'name', '') END
        AS created_by_name,
    CASE WHEN v.valid_to IS NULL OR (v.kind = 'deleted' AND c.modified_by_id = v.document #>> '{modified_by,id}')
         THEN c.modified_by_name ELSE nullif(received.modified_by ->> 'name', '') END
        AS modified_by_name,
    c.first_seen_at,
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
    v.document
FROM cadence_sync.cadence_versions AS v
-- From the left, though each version has its row there: it keeps the history in front when it is read as a whole.
LEFT JOIN cadence_sync.cadences AS c ON c.org_id = v.org_id AND c.cadence_id = v.cadence_id
-- The names that came with an older version. With a deletion nothing came: it has those of today, of what is the same.
LEFT JOIN LATERAL json_to_record(CASE WHEN v.valid_to IS NOT NULL THEN v.raw END)
    AS received (module json, custom_view json, created_by json, modified_by json) ON true
WHERE (
    (SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user])) IS NULL
    OR v.org_id = ANY ((SELECT cadence_sync.readable_orgs(ARRAY[current_user, session_user]))::text[])
)
