CREATE OR REPLACE FUNCTION cadence_reporting.cadence_diff(
    from_at timestamptz, to_at timestamptz, org text DEFAULT NULL, axis text DEFAULT 'valid'
) RETURNS TABLE (
    org_id text,
    cadence_id text,
    name text,
    kind text,
    field text,
    old_value text,
    new_value text,
    from_version integer,
    to_version integer
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH moved AS (
        SELECT org_id, cadence_id, coalesce(a.name, b.name) AS name, b.version AS from_version, a.version AS to_version
        FROM cadence_reporting.cadences_as_of(cadence_reporting.checked_period(from_at, to_at), org, axis) AS b
        FULL JOIN cadence_reporting.cadences_as_of(to_at, org, axis) AS a USING (org_id, cadence_id)
        -- Of an organization that was not watched yet, nothing is known to compare with.
        JOIN cadence_reporting.sync_freshness AS f USING (org_id)
        WHERE b.version IS DISTINCT FROM a.version
          AND f.watched_since <= (SELECT cadence_reporting.checked_period(from_at, to_at))
    ), found (org_id, cadence_id, name, kind, field, old_value, new_value, from_version, to_version) AS (
        SELECT m.org_id, m.cadence_id, m.name,
               CASE
                   WHEN (CASE axis WHEN 'valid' THEN v.valid_from ELSE v.observed_at END) <= from_at THEN 'restored'
                   ELSE v.kind
               END,
               '*', NULL, NULL, m.from_version, m.to_version
        FROM moved AS m
        JOIN cadence_reporting.stored_versions AS v USING (org_id, cadence_id)
        WHERE m.from_version IS NULL AND v.version = 1
        UNION ALL
        SELECT m.org_id, m.cadence_id, m.name, 'deleted', '*', NULL, NULL, m.from_version, m.to_version
        FROM moved AS m
        WHERE m.to_version IS NULL
        UNION ALL
        -- Fields that were known at both times: one that only became known did not change.
        SELECT m.org_id, m.cadence_id, m.name, 'updated', x.field, x.value #>> '{}', y.value #>> '{}',
               m.from_version, m.to_version
        FROM moved AS m
        CROSS JOIN LATERAL cadence_reporting.document_fields((
            SELECT b.document
            FROM cadence_reporting.history_known_by(cadence_reporting.seen_by(from_at, axis)) AS b
            WHERE b.org_id = m.org_id AND b.cadence_id = m.cadence_id AND b.version = m.from_version
        )) AS x
        CROSS JOIN LATERAL cadence_reporting.document_fields((
            SELECT a.document
            FROM cadence_reporting.history_known_by(cadence_reporting.seen_by(to_at, axis)) AS a
            WHERE a.org_id = m.org_id AND a.cadence_id = m.cadence_id AND a.version = m.to_version
        )) AS y
        WHERE x.field = y.field
          AND cadence_reporting.comparable(x.value, true) IS DISTINCT FROM cadence_reporting.comparable(y.value, true)
    )
    SELECT * FROM found
    WHERE (SELECT cadence_reporting.checked_period(from_at, to_at)) IS NOT NULL
      AND (SELECT cadence_reporting.checked_time(to_at)) IS NOT NULL
    ORDER BY org_id, name, cadence_id, field;
END
