CREATE FUNCTION cadence_reporting.with_field(known jsonb, document jsonb, field text, value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    path text[] := string_to_array(field, '.');
BEGIN
    known := coalesce(known, document);
    FOR depth IN 1 .. cardinality(path) - 1 LOOP
        -- Below what is no object everything is null; only a value makes an object of it.
        IF jsonb_typeof(known #> path[1:depth]) IS DISTINCT FROM 'object' THEN
            IF value = 'null' THEN
                RETURN known;
            END IF;
            known := jsonb_set(known, path[1:depth], '{}');
        END IF;
    END LOOP;
    RETURN jsonb_set(known, path, value);
END $$
