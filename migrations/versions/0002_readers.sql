ALTER FUNCTION cadence_sync.refuse_rewrite() SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION cadence_sync.refuse_unless_redacting() SET search_path = pg_catalog, pg_temp;

-- A list is one row: while a role has one it stays limited, also when its organizations are purged.
CREATE TABLE cadence_sync.reader_limits (
    role text NOT NULL,
    role_oid oid NOT NULL,
    org_ids text[] NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_reader_limits PRIMARY KEY (role),
    CONSTRAINT ck_reader_limits_some_org CHECK (cardinality(org_ids) > 0)
);

-- The organizations that limit a session, null without limits: those of its current user, else of its session user, so
-- that SET ROLE may narrow them and lifts none. Views call it with both: here they are the owner of the function.
-- Who reads the tables has no limits: the owner, and superusers, who count as members of every role.
CREATE FUNCTION cadence_sync.readable_orgs(users name[]) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asking name;
    found text[];
BEGIN
    IF NOT EXISTS (SELECT FROM cadence_sync.reader_limits) THEN
        RETURN NULL;
    END IF;
    FOREACH asking IN ARRAY users LOOP
        CONTINUE WHEN has_table_privilege(asking, 'cadence_sync.cadences', 'SELECT');
        SELECT array_agg(o.org_id) INTO found
        FROM cadence_sync.reader_limits AS r CROSS JOIN LATERAL unnest(r.org_ids) AS o (org_id)
        WHERE pg_has_role(asking, to_regrole(quote_ident(r.role)), 'MEMBER') OR pg_has_role(asking, r.role_oid, 'MEMBER');
        IF found IS NOT NULL THEN
            RETURN found;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
-- Views call it with the rights of whoever reads them; without USAGE on the schema nobody else can.
GRANT EXECUTE ON FUNCTION cadence_sync.readable_orgs(name[]) TO PUBLIC;
