-- Fails where an entry has no organization: nothing of the audit log is lost by going back.

ALTER TABLE cadence_sync.audit_log ALTER COLUMN org_id SET NOT NULL;
ALTER TABLE cadence_sync.redactions ALTER COLUMN org_id SET NOT NULL, ALTER COLUMN user_id SET NOT NULL;

DROP FUNCTION cadence_sync.redact_user() CASCADE;
DROP FUNCTION cadence_sync.redact_operator() CASCADE;
DROP FUNCTION cadence_sync.close_redaction() CASCADE;
DROP FUNCTION cadence_sync.details_without_operator(jsonb, text, text, boolean);
DROP FUNCTION cadence_sync.without_operator(text, text);
DROP FUNCTION cadence_sync.redacted_operator();
DROP FUNCTION cadence_sync.is_open(cadence_sync.redactions);
DROP FUNCTION cadence_sync.differs_only_by_redaction(json, json, text);
DROP TRIGGER redact_versions_countably ON cadence_sync.cadence_versions;
DROP TRIGGER redact_changes_countably ON cadence_sync.cadence_changes;
DROP TRIGGER redact_quarantine_countably ON cadence_sync.quarantined_records;
DROP TRIGGER redact_decisions_countably ON cadence_sync.deletion_decisions;
DROP TRIGGER redact_audit_log_countably ON cadence_sync.audit_log;
DROP TRIGGER redact_redactions_countably ON cadence_sync.redactions;
DROP TRIGGER close_redactions_once ON cadence_sync.redactions;
DROP TRIGGER keep_quarantined_records ON cadence_sync.quarantined_records;
DROP TRIGGER keep_deletion_decisions ON cadence_sync.deletion_decisions;
DROP TRIGGER keep_audit_log ON cadence_sync.audit_log;
DROP TRIGGER keep_redactions ON cadence_sync.redactions;
ALTER FUNCTION cadence_sync.refuse_rewrite() RESET search_path;

CREATE FUNCTION cadence_sync.refuse_unless_redacting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM cadence_sync.redactions AS r
        WHERE r.org_id = OLD.org_id AND r.xid = pg_current_xact_id()::text AND r.redacted_at = transaction_timestamp()
    ) THEN
        RAISE EXCEPTION 'history is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER redact_versions BEFORE UPDATE OF raw ON cadence_sync.cadence_versions
    FOR EACH ROW EXECUTE FUNCTION cadence_sync.refuse_unless_redacting();
CREATE TRIGGER redact_changes BEFORE UPDATE OF changed_by_name ON cadence_sync.cadence_changes
    FOR EACH ROW EXECUTE FUNCTION cadence_sync.refuse_unless_redacting();
CREATE TRIGGER keep_redactions BEFORE UPDATE OR DELETE OR TRUNCATE ON cadence_sync.redactions
    FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER keep_audit_log BEFORE UPDATE OR DELETE OR TRUNCATE ON cadence_sync.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite();

DROP INDEX cadence_sync.ix_redactions_org_id;
ALTER TABLE cadence_sync.redactions
    DROP CONSTRAINT ck_redactions_of_a_user_or_an_operator,
    DROP CONSTRAINT pk_redactions,
    DROP COLUMN operator_digest, DROP COLUMN audit_log, DROP COLUMN deletion_decisions, DROP COLUMN redactions,
    DROP COLUMN closed,
    ADD CONSTRAINT pk_redactions PRIMARY KEY (org_id, redaction_id),
    ADD CONSTRAINT fk_redactions_org FOREIGN KEY (org_id) REFERENCES cadence_sync.orgs (org_id);
ALTER TABLE cadence_sync.deletion_decisions
    ADD CONSTRAINT fk_deletion_decisions_org FOREIGN KEY (org_id) REFERENCES cadence_sync.orgs (org_id);
DROP INDEX cadence_sync.ix_audit_log_org_id_action_id;
ALTER TABLE cadence_sync.audit_log
    DROP CONSTRAINT ck_audit_log_source,
    DROP CONSTRAINT pk_audit_log,
    DROP COLUMN source, DROP COLUMN details,
    ADD CONSTRAINT pk_audit_log PRIMARY KEY (org_id, action_id),
    ADD CONSTRAINT fk_audit_log_org FOREIGN KEY (org_id) REFERENCES cadence_sync.orgs (org_id);
