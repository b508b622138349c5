CREATE FUNCTION cadence_reporting.with_learnt(document jsonb, learnt jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 1 AS $$
DECLARE
    field record;
    path text[];
    parent text[];
BEGIN
    FOR field IN SELECT key, value FROM jsonb_each(learnt) ORDER BY key LOOP
        path := string_to_array(field.key, '.');
        FOR depth IN 1 .. cardinality(path) - 1 LOOP
            parent := path[1:depth];
            -- Below what is no object everything is null; only a value makes an object of it.
            IF jsonb_typeof(document #> parent) IS DISTINCT FROM 'object' AND field.value <> 'null' THEN
                document := jsonb_set(document, parent, '{}');
            END IF;
        END LOOP;
        IF cardinality(path) = 1 OR jsonb_typeof(document #> path[1:cardinality(path) - 1]) = 'object' THEN
            document := jsonb_set(document, path, field.value);
        END IF;
    END LOOP;
    RETURN document;
END $$
