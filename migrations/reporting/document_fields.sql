CREATE OR REPLACE FUNCTION cadence_reporting.document_fields(document jsonb) RETURNS TABLE (field text, value jsonb)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    -- Below what is no object everything is known to be null; what a document lacks is not known.
    SELECT
        array_to_string(known.path, '.'),
        CASE WHEN jsonb_typeof(document #> known.path) NOT IN ('null', 'object') THEN document #> known.path END
    FROM (
        VALUES
            ('{name}'::text[]), ('{description}'), ('{type}'), ('{status}'), ('{active}'), ('{published}'),
            ('{module,id}'), ('{custom_view,id}'), ('{created_time}'), ('{created_by,id}'), ('{modified_time}'),
            ('{modified_by,id}'), ('{summary,email_follow_up_count}'), ('{summary,task_follow_up_count}'),
            ('{summary,call_follow_up_count}'), ('{summary,whatsapp_follow_up_count}'), ('{execution_details,type}'),
            ('{execution_details,end_date}'), ('{execution_details,automatic_unenroll}'),
            ('{execution_details,execute_every,unit}'), ('{execution_details,execute_every,period}'),
            ('{execution_details,unenroll_properties}'), ('{execution_details,unenroll_properties,type}'),
            ('{execution_details,unenroll_properties,end_date}')
    ) AS known (path)
    WHERE document #> known.path IS NOT NULL
       OR (cardinality(known.path) > 1 AND jsonb_typeof(document #> known.path[1:1]) <> 'object')
       OR (cardinality(known.path) > 2 AND jsonb_typeof(document #> known.path[1:2]) <> 'object');
END
