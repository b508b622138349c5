CREATE OR REPLACE FUNCTION cadence_reporting.compare_orgs(
    left_org text, right_org text, at timestamptz DEFAULT now(), axis text DEFAULT 'valid'
) RETURNS TABLE (
    name text,
    difference text,
    field text,
    left_value text,
    right_value text,
    left_cadence_id text,
    right_cadence_id text
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    -- Cadences of one name are paired in the order in which they were created.
    WITH sides AS (
        SELECT 'left' AS side, c.*
        FROM cadence_reporting.cadences_as_of(at, cadence_reporting.checked_org(left_org), axis) AS c
        UNION ALL
        SELECT 'right', c.*
        FROM cadence_reporting.cadences_as_of(at, cadence_reporting.checked_org(right_org), axis) AS c
    ), watched AS (
        -- What an organization lacks is known only where it was looked at.
        SELECT bool_and(coalesce(f.watched_since <= at, false)) AS both_sides
        FROM cadence_reporting.sync_freshness AS f
        WHERE f.org_id IN (left_org, right_org)
    ), numbered AS (
        SELECT s.side, s.org_id, s.name, s.cadence_id, s.version, s.module_api_name, s.custom_view_name,
               row_number() OVER (PARTITION BY s.side, s.name ORDER BY s.created_time, s.cadence_id) AS place
        FROM sides AS s
        WHERE (SELECT w.both_sides FROM watched AS w)
    ), pairs AS (
        SELECT coalesce(l.name, r.name) AS name, l.cadence_id AS left_id, r.cadence_id AS right_id,
               l.version AS left_version, r.version AS right_version,
               l.module_api_name AS left_module, r.module_api_name AS right_module,
               l.custom_view_name AS left_view, r.custom_view_name AS right_view
        FROM (SELECT * FROM numbered WHERE side = 'left') AS l
        FULL JOIN (SELECT * FROM numbered WHERE side = 'right') AS r ON l.name = r.name AND l.place = r.place
    ), found (name, difference, field, left_value, right_value, left_cadence_id, right_cadence_id) AS (
        SELECT p.name, CASE WHEN p.right_id IS NULL THEN 'only left' ELSE 'only right' END, '*', NULL, NULL,
               p.left_id, p.right_id
        FROM pairs AS p
        WHERE p.left_id IS NULL OR p.right_id IS NULL
        UNION ALL
        SELECT p.name, 'differs', d.field, d.left_value, d.right_value, p.left_id, p.right_id
        FROM pairs AS p
        CROSS JOIN LATERAL (
            -- Ids, persons and times are never the same in two organizations.
            SELECT x.field, own.left_value #>> '{}' AS left_value, own.right_value #>> '{}' AS right_value
            FROM cadence_reporting.history_known_by(cadence_reporting.seen_by(at, axis)) AS l
            JOIN cadence_reporting.history_known_by(cadence_reporting.seen_by(at, axis)) AS r
              ON r.org_id = right_org AND r.cadence_id = p.right_id AND r.version = p.right_version
            CROSS JOIN LATERAL cadence_reporting.document_fields(l.document) AS x
            CROSS JOIN LATERAL cadence_reporting.document_fields(r.document) AS y
            CROSS JOIN LATERAL (
                SELECT cadence_reporting.comparable(x.value, false) AS left_value,
                       cadence_reporting.comparable(y.value, false) AS right_value
            ) AS own
            WHERE l.org_id = left_org AND l.cadence_id = p.left_id AND l.version = p.left_version
              AND x.field = y.field AND own.left_value IS DISTINCT FROM own.right_value
              AND x.field NOT IN ('module.id', 'custom_view.id', 'created_by.id', 'modified_by.id', 'created_time',
                                  'modified_time')
            UNION ALL
            SELECT 'module.api_name', p.left_module, p.right_module
            WHERE p.left_module IS DISTINCT FROM p.right_module
            UNION ALL
            SELECT 'custom_view.name', p.left_view, p.right_view
            WHERE p.left_view IS DISTINCT FROM p.right_view
        ) AS d
        WHERE p.left_id IS NOT NULL AND p.right_id IS NOT NULL
    )
    SELECT * FROM found
    WHERE (SELECT cadence_reporting.checked_time(at)) IS NOT NULL
      AND (SELECT cadence_reporting.checked_org(left_org)) IS NOT NULL
      AND (SELECT cadence_reporting.checked_org(right_org)) IS NOT NULL
    ORDER BY name, left_cadence_id, right_cadence_id, field;
END
