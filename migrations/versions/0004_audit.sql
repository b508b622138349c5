-- An audit log that outlives what it is about, deletion reviews that stay, and redactions that change nothing but names.

ALTER TABLE cadence_sync.audit_log
    DROP CONSTRAINT fk_audit_log_org,
    DROP CONSTRAINT pk_audit_log,
    ALTER COLUMN org_id DROP NOT NULL,
    ADD COLUMN source text NOT NULL DEFAULT 'web',
    ADD COLUMN details jsonb NOT NULL DEFAULT '{}',
    ADD CONSTRAINT pk_audit_log PRIMARY KEY (action_id),
    ADD CONSTRAINT ck_audit_log_source CHECK (source IN ('web', 'cli'));
ALTER TABLE cadence_sync.audit_log ALTER COLUMN source DROP DEFAULT;
CREATE INDEX ix_audit_log_org_id_action_id ON cadence_sync.audit_log (org_id, action_id);

ALTER TABLE cadence_sync.deletion_decisions DROP CONSTRAINT fk_deletion_decisions_org;

-- A row of a user names the organization and the id. One of an operator holds a digest under a salt that is never stored.
ALTER TABLE cadence_sync.redactions
    DROP CONSTRAINT fk_redactions_org,
    DROP CONSTRAINT pk_redactions,
    ALTER COLUMN org_id DROP NOT NULL,
    ALTER COLUMN user_id DROP NOT NULL,
    ADD COLUMN operator_digest bytea,
    ADD COLUMN audit_log integer NOT NULL DEFAULT 0,
    ADD COLUMN deletion_decisions integer NOT NULL DEFAULT 0,
    ADD COLUMN redactions integer NOT NULL DEFAULT 0,
    ADD COLUMN closed boolean NOT NULL DEFAULT true,
    ADD CONSTRAINT pk_redactions PRIMARY KEY (redaction_id),
    ADD CONSTRAINT ck_redactions_of_a_user_or_an_operator
        CHECK ((org_id IS NULL) = (user_id IS NULL) AND (user_id IS NULL) = (operator_digest IS NOT NULL));
ALTER TABLE cadence_sync.redactions ALTER COLUMN closed SET DEFAULT false;
CREATE INDEX ix_redactions_org_id ON cadence_sync.redactions (org_id, redaction_id);

ALTER FUNCTION cadence_sync.refuse_rewrite() SET search_path = pg_catalog, pg_temp;

-- Whether a record differs from another only by values that identify the user, in objects that have the user's id, and
-- that became "redacted". The rules are those of cadence_sync/core/redact.py. Keys are compared in order, repeated ones
-- too, and values as text; the white space between them is not. It walks breadth first: a record may nest deeply.
CREATE FUNCTION cadence_sync.differs_only_by_redaction(old_record json, new_record json, of_user text)
RETURNS boolean LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 1000 SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE pairs (path, may_differ, is_config, old, new) AS (
        SELECT ARRAY[]::text[], false, false, old_record, new_record
        UNION ALL
        SELECT p.path || coalesce(child.key, ''), child.may_differ,
               p.is_config OR (
                   p.path || coalesce(child.key, '') = ARRAY['execution_details', 'unenroll_properties']
                   AND json_typeof(child.old) = 'array'
               ),
               child.old, child.new
        FROM pairs AS p CROSS JOIN LATERAL (
            SELECT o.key, o.value AS old, CASE WHEN n.key = o.key THEN n.value END AS new,
                   o.is_theirs AND cardinality(p.path) > 0 AND NOT p.is_config
                   AND p.path <> ARRAY['module'] AND p.path <> ARRAY['custom_view']
                   AND replace(lower(o.key), '_', '') IN (
                       'name', 'fullname', 'firstname', 'middlename', 'lastname', 'displayname', 'username',
                       'nickname', 'alias', 'email', 'phone', 'mobile'
                   )
                   AND o.value::text NOT IN ('null', 'true', 'false', '""') AS may_differ
            FROM (
                SELECT m.key, m.value, m.place, bool_or(
                    replace(lower(m.key), '_', '') = 'id' AND CASE
                        WHEN json_typeof(m.value) = 'number' THEN m.value::text = of_user
                        WHEN json_typeof(m.value) = 'string' AND strpos(m.value::text, '\u0000') = 0
                            THEN m.value #>> '{}' = of_user
                        ELSE false
                    END
                ) OVER () AS is_theirs
                FROM json_each(CASE json_typeof(p.old) WHEN 'object' THEN p.old ELSE '{}' END)
                    WITH ORDINALITY AS m (key, value, place)
            ) AS o
            FULL JOIN json_each(CASE json_typeof(p.new) WHEN 'object' THEN p.new ELSE '{}' END)
                WITH ORDINALITY AS n (key, value, place) USING (place)
            UNION ALL
            SELECT NULL, o.value, n.value, false
            FROM json_array_elements(CASE json_typeof(p.old) WHEN 'array' THEN p.old ELSE '[]' END)
                WITH ORDINALITY AS o (value, place)
            FULL JOIN json_array_elements(CASE json_typeof(p.new) WHEN 'array' THEN p.new ELSE '[]' END)
                WITH ORDINALITY AS n (value, place) USING (place)
        ) AS child
        WHERE p.old::text <> p.new::text AND NOT (p.may_differ AND p.new::text = '"redacted"')
          AND json_typeof(p.old) = json_typeof(p.new) AND json_typeof(p.old) IN ('object', 'array')
    )
    SELECT bool_and(coalesce(
        old::text = new::text OR (may_differ AND new::text = '"redacted"')
        OR (json_typeof(old) = json_typeof(new) AND json_typeof(old) IN ('object', 'array')),
        false
    )) FROM pairs
$$;

-- A transaction id alone can recur on a server that a dump was restored to; with its time it cannot.
CREATE FUNCTION cadence_sync.is_open(redaction cadence_sync.redactions) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT redaction.closed AND redaction.xid = pg_current_xact_id()::text
       AND redaction.redacted_at = transaction_timestamp()
$$;

CREATE FUNCTION cadence_sync.redact_user() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    permitted boolean;
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'cadence_versions' THEN
        permitted := OLD.raw::text <> NEW.raw::text AND EXISTS (
            SELECT FROM cadence_sync.redactions AS r WHERE r.org_id = OLD.org_id AND cadence_sync.is_open(r)
            AND cadence_sync.differs_only_by_redaction(OLD.raw, NEW.raw, r.user_id)
        );
    WHEN 'cadence_changes' THEN
        permitted := OLD.changed_by_name <> 'redacted' AND NEW.changed_by_name = 'redacted' AND EXISTS (
            SELECT FROM cadence_sync.redactions AS r WHERE r.org_id = OLD.org_id AND cadence_sync.is_open(r)
            AND r.user_id = OLD.changed_by_id
        );
    -- Of what is not JSON only the bytes can be compared: no more is known of where a name stands in them.
    WHEN 'quarantined_records' THEN
        permitted := OLD.raw <> NEW.raw AND strpos(encode(NEW.raw, 'escape'), 'redacted') > 0 AND EXISTS (
            SELECT FROM cadence_sync.redactions AS r WHERE r.org_id = OLD.org_id AND cadence_sync.is_open(r)
        );
    END CASE;
    IF permitted IS NOT TRUE THEN
        RAISE EXCEPTION 'history is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- The operator whose name this transaction may replace: the one that its row of `redactions` was made for. Roles and the
-- users of a web UI without names are no operators; RESERVED_NAMES in cadence_sync/core/identity.py is the same list.
CREATE FUNCTION cadence_sync.redacted_operator() RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT current_setting('cadence_sync.operator', true)
    WHERE EXISTS (
        SELECT FROM cadence_sync.redactions AS r WHERE cadence_sync.is_open(r) AND r.operator_digest = sha256(convert_to(
            current_setting('cadence_sync.operator_salt', true) || current_setting('cadence_sync.operator', true), 'UTF8'
        ))
    ) AND split_part(current_setting('cadence_sync.operator', true), ' (', 1)
        NOT IN ('loopback', 'token', 'unknown', 'viewer', 'reviewer')
$$;

-- A name may be followed by where it was used, as in "ana (page)", or be what somebody called themselves: "root (as ana)".
CREATE FUNCTION cadence_sync.without_operator(value text, operator text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN value = operator THEN 'redacted'
        WHEN starts_with(value, operator || ' (') THEN 'redacted' || substr(value, length(operator) + 1)
        WHEN right(value, length(operator) + 6) = ' (as ' || operator || ')'
            THEN left(value, -length(operator) - 1) || 'redacted)'
        ELSE value
    END
$$;

-- Only what is known to hold a person's name or address: a role or an organization may be called as a person is, and
-- what was granted stays. A token may be called after a person; of the operator's own logins the address goes too.
CREATE FUNCTION cadence_sync.details_without_operator(details jsonb, action text, operator text, is_theirs boolean)
RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_object_agg(key, CASE
        WHEN (action, key) IN (('token create', 'name'), ('token revoke', 'name')) AND value = to_jsonb(operator)
            THEN '"redacted"'
        WHEN (action, key) = ('login_succeeded', 'client') AND is_theirs THEN '"redacted"'
        ELSE value
    END), '{}') FROM jsonb_each(details)
$$;

CREATE FUNCTION cadence_sync.redact_operator() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator text := cadence_sync.redacted_operator();
    permitted boolean;
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'audit_log' THEN
        permitted := (OLD.done_by, OLD.details) <> (NEW.done_by, NEW.details)
            AND NEW.done_by = cadence_sync.without_operator(OLD.done_by, operator)
            AND NEW.details = cadence_sync.details_without_operator(
                OLD.details, OLD.action, operator, OLD.done_by <> NEW.done_by);
    WHEN 'deletion_decisions' THEN
        permitted := OLD.decided_by <> NEW.decided_by
            AND NEW.decided_by = cadence_sync.without_operator(OLD.decided_by, operator);
    WHEN 'redactions' THEN
        permitted := OLD.redacted_by <> NEW.redacted_by
            AND NEW.redacted_by = cadence_sync.without_operator(OLD.redacted_by, operator);
    END CASE;
    IF permitted IS NOT TRUE THEN
        RAISE EXCEPTION 'the audit log is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- At the end of the transaction the counters of its redactions must be the numbers of rows that it rewrote. After that
-- the row permits nothing more, for who makes constraints immediate could rewrite further rows.
CREATE FUNCTION cadence_sync.close_redaction() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mine CONSTANT xid := pg_current_xact_id()::xid;
    entered bigint[];
    rewritten bigint[];
BEGIN
    IF NEW.operator_digest IS NULL THEN
        SELECT ARRAY[sum(r.cadence_versions), sum(r.cadence_changes), sum(r.cadences), sum(r.quarantined_records),
                     sum(r.schema_drift)] INTO entered
        FROM cadence_sync.redactions AS r
        WHERE r.org_id = NEW.org_id AND r.xid = NEW.xid AND r.redacted_at = NEW.redacted_at;
        rewritten := ARRAY[
            (SELECT count(*) FROM cadence_sync.cadence_versions AS t WHERE t.org_id = NEW.org_id AND t.xmin = mine),
            (SELECT count(*) FROM cadence_sync.cadence_changes AS t WHERE t.org_id = NEW.org_id AND t.xmin = mine),
            (SELECT count(*) FROM cadence_sync.cadences AS t WHERE t.org_id = NEW.org_id AND t.xmin = mine),
            (SELECT count(*) FROM cadence_sync.quarantined_records AS t WHERE t.org_id = NEW.org_id AND t.xmin = mine),
            (SELECT count(*) FROM cadence_sync.schema_drift AS t WHERE t.org_id = NEW.org_id AND t.xmin = mine)
        ];
    ELSE
        SELECT ARRAY[sum(r.audit_log), sum(r.deletion_decisions), sum(r.redactions)] INTO entered
        FROM cadence_sync.redactions AS r
        WHERE r.operator_digest IS NOT NULL AND r.xid = NEW.xid AND r.redacted_at = NEW.redacted_at;
        rewritten := ARRAY[
            -- The transaction's own entries were inserted, not rewritten.
            (SELECT count(*) FROM cadence_sync.audit_log AS t
             WHERE t.xmin = mine AND t.done_at <> transaction_timestamp()),
            (SELECT count(*) FROM cadence_sync.deletion_decisions AS t WHERE t.xmin = mine),
            (SELECT count(*) FROM cadence_sync.redactions AS t
             WHERE t.xmin = mine AND (t.xid, t.redacted_at) <> (NEW.xid, NEW.redacted_at))
        ];
    END IF;
    IF entered <> rewritten THEN
        RAISE EXCEPTION 'the redaction enters % rows and rewrote %', entered, rewritten
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    UPDATE cadence_sync.redactions SET closed = true WHERE redaction_id = NEW.redaction_id;
    RETURN NULL;
END $$;

DROP TRIGGER redact_versions ON cadence_sync.cadence_versions;
DROP TRIGGER redact_changes ON cadence_sync.cadence_changes;
DROP TRIGGER keep_redactions ON cadence_sync.redactions;
DROP TRIGGER keep_audit_log ON cadence_sync.audit_log;
DROP FUNCTION cadence_sync.refuse_unless_redacting();

CREATE TRIGGER redact_versions BEFORE UPDATE OF raw ON cadence_sync.cadence_versions
    FOR EACH ROW EXECUTE FUNCTION cadence_sync.redact_user();
CREATE TRIGGER redact_changes BEFORE UPDATE OF changed_by_name ON cadence_sync.cadence_changes
    FOR EACH ROW EXECUTE FUNCTION cadence_sync.redact_user();
CREATE TRIGGER keep_quarantined_records BEFORE UPDATE OF org_id, run_id, position, cadence_id, reason OR TRUNCATE
    ON cadence_sync.quarantined_records FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER redact_quarantined_records BEFORE UPDATE OF raw ON cadence_sync.quarantined_records
    FOR EACH ROW EXECUTE FUNCTION cadence_sync.redact_user();

CREATE TRIGGER keep_deletion_decisions
    BEFORE UPDATE OF decision_id, org_id, hold_id, decision, decided_at, cadences OR DELETE OR TRUNCATE
    ON cadence_sync.deletion_decisions FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER redact_deletion_decisions BEFORE UPDATE OF decided_by ON cadence_sync.deletion_decisions
    FOR EACH ROW EXECUTE FUNCTION cadence_sync.redact_operator();
CREATE TRIGGER keep_audit_log
    BEFORE UPDATE OF action_id, org_id, done_at, action, run_id, result, source OR DELETE OR TRUNCATE
    ON cadence_sync.audit_log FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER redact_audit_log BEFORE UPDATE OF done_by, details ON cadence_sync.audit_log
    FOR EACH ROW EXECUTE FUNCTION cadence_sync.redact_operator();
CREATE TRIGGER keep_redactions
    BEFORE UPDATE OF redaction_id, org_id, user_id, redacted_at, cadence_versions, cadence_changes, cadences,
        quarantined_records, schema_drift, xid, operator_digest, audit_log, deletion_decisions, redactions
        OR DELETE OR TRUNCATE
    ON cadence_sync.redactions FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER redact_redactions BEFORE UPDATE OF redacted_by ON cadence_sync.redactions
    FOR EACH ROW EXECUTE FUNCTION cadence_sync.redact_operator();
CREATE TRIGGER close_redactions_once BEFORE UPDATE OF closed ON cadence_sync.redactions
    FOR EACH ROW WHEN (OLD.closed OR NOT NEW.closed) EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE CONSTRAINT TRIGGER count_redacted AFTER INSERT ON cadence_sync.redactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cadence_sync.close_redaction();

-- Rows that a savepoint's subtransaction wrote bear another id, and would be missing in the count.
CREATE TRIGGER redact_versions_countably AFTER UPDATE OF raw ON cadence_sync.cadence_versions
    FOR EACH ROW WHEN (NEW.xmin <> pg_current_xact_id()::xid) EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER redact_changes_countably AFTER UPDATE OF changed_by_name ON cadence_sync.cadence_changes
    FOR EACH ROW WHEN (NEW.xmin <> pg_current_xact_id()::xid) EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER redact_quarantine_countably AFTER UPDATE OF raw ON cadence_sync.quarantined_records
    FOR EACH ROW WHEN (NEW.xmin <> pg_current_xact_id()::xid) EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER redact_decisions_countably AFTER UPDATE OF decided_by ON cadence_sync.deletion_decisions
    FOR EACH ROW WHEN (NEW.xmin <> pg_current_xact_id()::xid) EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER redact_audit_log_countably AFTER UPDATE OF done_by, details ON cadence_sync.audit_log
    FOR EACH ROW WHEN (NEW.xmin <> pg_current_xact_id()::xid) EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER redact_redactions_countably AFTER UPDATE OF redacted_by ON cadence_sync.redactions
    FOR EACH ROW WHEN (NEW.xmin <> pg_current_xact_id()::xid) EXECUTE FUNCTION cadence_sync.refuse_rewrite();
