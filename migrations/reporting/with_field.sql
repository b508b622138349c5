CREATE OR REPLACE FUNCTION cadence_reporting.with_field(known jsonb, document jsonb, field text, value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    path text[] := string_to_array(field, '.');
    parent text;
BEGIN
    known := coalesce(known, document);
    FOR depth IN 1 .. cardinality(path) - 1 LOOP
        parent := jsonb_typeof(known #> path[1:depth]);
        -- What is absent is not known. Below what is there and no object everything is known to be null.
        IF parent <> 'object' AND value = 'null' THEN
            RETURN known;
        END IF;
        IF parent IS DISTINCT FROM 'object' THEN
            known := jsonb_set(known, path[1:depth], '{}');
        END IF;
    END LOOP;
    RETURN jsonb_set(known, path, value);
END $$
