-- The tables, the chain of versions, and the triggers that refuse to rewrite history.

CREATE TABLE cadence_sync.orgs (
    org_id text NOT NULL,
    data_center text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    fence bigint NOT NULL DEFAULT 0,
    last_listed_at timestamptz,
    last_page_count integer NOT NULL DEFAULT 1,
    rejected_page_size integer,
    had_unreadable_ids boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    digests_refreshed_at timestamptz,
    first_listed_at timestamptz,
    sync_interval_seconds double precision,
    sync_cron text,
    time_zone text,
    consecutive_failures integer NOT NULL DEFAULT 0,
    last_run_at timestamptz,
    removed_at timestamptz,
    CONSTRAINT pk_orgs PRIMARY KEY (org_id)
);

CREATE TABLE cadence_sync.cadence_versions (
    org_id text NOT NULL,
    cadence_id text NOT NULL,
    version integer NOT NULL,
    kind text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    observed_at timestamptz NOT NULL,
    source_modified_time timestamptz,
    document jsonb NOT NULL,
    raw json,
    run_id bigint NOT NULL,
    prev_version integer GENERATED ALWAYS AS (nullif(version - 1, 0)) STORED,
    next_version integer GENERATED ALWAYS AS (
        CASE WHEN valid_to IS NOT NULL THEN version + 1 ELSE NULL::integer END
    ) STORED,
    CONSTRAINT pk_cadence_versions PRIMARY KEY (org_id, cadence_id, version),
    CONSTRAINT uq_cadence_versions_chain UNIQUE (org_id, cadence_id, version, valid_to),
    CONSTRAINT ck_cadence_versions_numbered_from_1 CHECK (version >= 1),
    CONSTRAINT ck_cadence_versions_ends_after_it_starts CHECK (valid_to > valid_from),
    CONSTRAINT ck_cadence_versions_kind CHECK (kind IN ('baseline', 'created', 'updated', 'deleted', 'restored')),
    CONSTRAINT ck_cadence_versions_first_kind CHECK ((version = 1) = (kind IN ('baseline', 'created'))),
    CONSTRAINT fk_cadence_versions_predecessor FOREIGN KEY (org_id, cadence_id, prev_version, valid_from)
        REFERENCES cadence_sync.cadence_versions (org_id, cadence_id, version, valid_to)
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_cadence_versions_successor FOREIGN KEY (org_id, cadence_id, next_version)
        REFERENCES cadence_sync.cadence_versions (org_id, cadence_id, version) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE cadence_sync.cadence_changes (
    change_id bigint GENERATED ALWAYS AS IDENTITY,
    org_id text NOT NULL,
    cadence_id text NOT NULL,
    version integer NOT NULL,
    run_id bigint NOT NULL,
    kind text NOT NULL,
    field text NOT NULL,
    old_value jsonb,
    new_value jsonb,
    changed_at timestamptz NOT NULL,
    observed_at timestamptz NOT NULL,
    changed_by_id text,
    changed_by_name text,
    CONSTRAINT pk_cadence_changes PRIMARY KEY (org_id, change_id),
    CONSTRAINT uq_cadence_changes_once UNIQUE (org_id, cadence_id, version, field),
    CONSTRAINT fk_cadence_changes_version FOREIGN KEY (org_id, cadence_id, version)
        REFERENCES cadence_sync.cadence_versions (org_id, cadence_id, version)
);

CREATE TABLE cadence_sync.cadences (
    org_id text NOT NULL,
    cadence_id text NOT NULL,
    name text,
    description text,
    type text,
    status text,
    active boolean,
    published boolean,
    module_id text,
    module_api_name text,
    custom_view_id text,
    custom_view_name text,
    created_time timestamptz,
    created_by_id text,
    created_by_name text,
    modified_time timestamptz,
    modified_by_id text,
    modified_by_name text,
    extra jsonb NOT NULL DEFAULT '{}',
    first_seen_at timestamptz NOT NULL,
    last_changed_at timestamptz NOT NULL,
    deleted_at timestamptz,
    version integer NOT NULL,
    digest bytea NOT NULL,
    CONSTRAINT pk_cadences PRIMARY KEY (org_id, cadence_id),
    CONSTRAINT fk_cadences_org FOREIGN KEY (org_id) REFERENCES cadence_sync.orgs (org_id),
    CONSTRAINT fk_cadences_version FOREIGN KEY (org_id, cadence_id, version)
        REFERENCES cadence_sync.cadence_versions (org_id, cadence_id, version) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE cadence_sync.follow_up_summaries (
    org_id text NOT NULL,
    cadence_id text NOT NULL,
    email_follow_up_count integer,
    task_follow_up_count integer,
    call_follow_up_count integer,
    whatsapp_follow_up_count integer,
    CONSTRAINT pk_follow_up_summaries PRIMARY KEY (org_id, cadence_id),
    CONSTRAINT fk_follow_up_summaries_cadence FOREIGN KEY (org_id, cadence_id)
        REFERENCES cadence_sync.cadences (org_id, cadence_id)
);

CREATE TABLE cadence_sync.execution_details (
    org_id text NOT NULL,
    cadence_id text NOT NULL,
    type text,
    end_date date,
    automatic_unenroll boolean,
    execute_every_unit integer,
    execute_every_period text,
    unenroll_type text,
    unenroll_end_date date,
    CONSTRAINT pk_execution_details PRIMARY KEY (org_id, cadence_id),
    CONSTRAINT fk_execution_details_cadence FOREIGN KEY (org_id, cadence_id)
        REFERENCES cadence_sync.cadences (org_id, cadence_id)
);

CREATE TABLE cadence_sync.discovered_fields (
    org_id text NOT NULL,
    cadence_id text NOT NULL,
    version integer NOT NULL,
    field text NOT NULL,
    value jsonb NOT NULL,
    observed_at timestamptz NOT NULL,
    run_id bigint,
    CONSTRAINT pk_discovered_fields PRIMARY KEY (org_id, cadence_id, version, field),
    CONSTRAINT fk_discovered_fields_version FOREIGN KEY (org_id, cadence_id, version)
        REFERENCES cadence_sync.cadence_versions (org_id, cadence_id, version)
);

CREATE TABLE cadence_sync.redactions (
    redaction_id bigint GENERATED ALWAYS AS IDENTITY,
    org_id text NOT NULL,
    user_id text NOT NULL,
    redacted_at timestamptz NOT NULL DEFAULT now(),
    redacted_by text NOT NULL,
    cadence_versions integer NOT NULL DEFAULT 0,
    cadence_changes integer NOT NULL DEFAULT 0,
    cadences integer NOT NULL DEFAULT 0,
    quarantined_records integer NOT NULL DEFAULT 0,
    schema_drift integer NOT NULL DEFAULT 0,
    xid text NOT NULL DEFAULT (pg_current_xact_id())::text,
    CONSTRAINT pk_redactions PRIMARY KEY (org_id, redaction_id),
    CONSTRAINT fk_redactions_org FOREIGN KEY (org_id) REFERENCES cadence_sync.orgs (org_id)
);

CREATE TABLE cadence_sync.sync_runs (
    run_id bigint GENERATED ALWAYS AS IDENTITY,
    org_id text NOT NULL,
    trigger text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    outcome text,
    error_code text,
    error_message text,
    error_hint text,
    api_calls integer NOT NULL DEFAULT 0,
    pages integer NOT NULL DEFAULT 0,
    seen integer NOT NULL DEFAULT 0,
    baseline integer NOT NULL DEFAULT 0,
    created integer NOT NULL DEFAULT 0,
    updated integer NOT NULL DEFAULT 0,
    deleted integer NOT NULL DEFAULT 0,
    restored integer NOT NULL DEFAULT 0,
    unchanged integer NOT NULL DEFAULT 0,
    quarantined integer NOT NULL DEFAULT 0,
    held integer NOT NULL DEFAULT 0,
    host text NOT NULL,
    pid integer NOT NULL,
    process_started text NOT NULL,
    lease_until timestamptz NOT NULL,
    auto_deleted integer NOT NULL DEFAULT 0,
    hold_id bigint,
    reserved_calls integer,
    credits_left integer,
    CONSTRAINT pk_sync_runs PRIMARY KEY (org_id, run_id),
    CONSTRAINT ck_sync_runs_outcome CHECK (outcome IN ('succeeded', 'partial', 'held', 'failed')),
    CONSTRAINT ck_sync_runs_finished_with_an_outcome CHECK ((outcome IS NULL) = (finished_at IS NULL)),
    CONSTRAINT ck_sync_runs_failed_with_a_code CHECK ((outcome = 'failed') = (error_code IS NOT NULL)),
    CONSTRAINT ck_sync_runs_counters_add_up
        CHECK (seen = baseline + created + updated + restored + unchanged + quarantined),
    CONSTRAINT fk_sync_runs_org FOREIGN KEY (org_id) REFERENCES cadence_sync.orgs (org_id)
);

CREATE TABLE cadence_sync.quarantined_records (
    org_id text NOT NULL,
    run_id bigint NOT NULL,
    position integer NOT NULL,
    cadence_id text,
    reason text NOT NULL,
    raw bytea NOT NULL,
    CONSTRAINT pk_quarantined_records PRIMARY KEY (org_id, run_id, position),
    CONSTRAINT fk_quarantined_records_run FOREIGN KEY (org_id, run_id)
        REFERENCES cadence_sync.sync_runs (org_id, run_id)
);

CREATE TABLE cadence_sync.schema_drift (
    org_id text NOT NULL,
    path text NOT NULL,
    sample text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    CONSTRAINT pk_schema_drift PRIMARY KEY (org_id, path),
    CONSTRAINT fk_schema_drift_org FOREIGN KEY (org_id) REFERENCES cadence_sync.orgs (org_id)
);

CREATE TABLE cadence_sync.held_deletions (
    org_id text NOT NULL,
    cadence_id text NOT NULL,
    hold_id bigint NOT NULL,
    missing_since timestamptz NOT NULL,
    decision text,
    decided_at timestamptz,
    CONSTRAINT pk_held_deletions PRIMARY KEY (org_id, cadence_id),
    CONSTRAINT ck_held_deletions_decision CHECK (decision IN ('approved', 'rejected')),
    CONSTRAINT fk_held_deletions_cadence FOREIGN KEY (org_id, cadence_id)
        REFERENCES cadence_sync.cadences (org_id, cadence_id)
);

CREATE TABLE cadence_sync.deletion_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY,
    org_id text NOT NULL,
    hold_id bigint NOT NULL,
    decision text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    decided_by text NOT NULL,
    cadences integer NOT NULL DEFAULT 0,
    CONSTRAINT pk_deletion_decisions PRIMARY KEY (org_id, decision_id),
    CONSTRAINT fk_deletion_decisions_org FOREIGN KEY (org_id) REFERENCES cadence_sync.orgs (org_id)
);

CREATE TABLE cadence_sync.daily_runs (
    org_id text NOT NULL,
    day date NOT NULL,
    runs integer NOT NULL,
    failed integer NOT NULL,
    api_calls bigint NOT NULL,
    first_good_at timestamptz,
    last_good_at timestamptz,
    CONSTRAINT pk_daily_runs PRIMARY KEY (org_id, day),
    CONSTRAINT fk_daily_runs_org FOREIGN KEY (org_id) REFERENCES cadence_sync.orgs (org_id)
);

CREATE TABLE cadence_sync.org_credentials (
    org_id text NOT NULL,
    encrypted_credentials bytea NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_org_credentials PRIMARY KEY (org_id),
    CONSTRAINT fk_org_credentials_org FOREIGN KEY (org_id) REFERENCES cadence_sync.orgs (org_id)
);

CREATE TABLE cadence_sync.oauth_tokens (
    org_id text NOT NULL,
    credential_fingerprint bytea NOT NULL,
    encrypted_token bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    issued_at timestamptz[] NOT NULL,
    CONSTRAINT pk_oauth_tokens PRIMARY KEY (org_id, credential_fingerprint),
    CONSTRAINT fk_oauth_tokens_org FOREIGN KEY (org_id) REFERENCES cadence_sync.orgs (org_id)
);

CREATE TABLE cadence_sync.audit_log (
    action_id bigint GENERATED ALWAYS AS IDENTITY,
    org_id text NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now(),
    done_by text NOT NULL,
    action text NOT NULL,
    run_id bigint,
    result text NOT NULL,
    CONSTRAINT pk_audit_log PRIMARY KEY (org_id, action_id),
    CONSTRAINT fk_audit_log_org FOREIGN KEY (org_id) REFERENCES cadence_sync.orgs (org_id)
);

CREATE TABLE cadence_sync.alert_outbox (
    org_id text NOT NULL,
    channel text NOT NULL,
    event_key text NOT NULL,
    event text NOT NULL,
    happened_at timestamptz NOT NULL,
    cadence_id text,
    version integer,
    run_id bigint,
    message_id text,
    is_bundle_head boolean NOT NULL,
    due_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    leased_until timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    dead_lettered_at timestamptz,
    resolved_at timestamptz,
    CONSTRAINT pk_alert_outbox PRIMARY KEY (org_id, channel, event_key),
    CONSTRAINT ck_alert_outbox_sent_or_dead CHECK (sent_at IS NULL OR dead_lettered_at IS NULL),
    CONSTRAINT ck_alert_outbox_bundle_head_has_message CHECK (message_id IS NOT NULL OR NOT is_bundle_head),
    CONSTRAINT fk_alert_outbox_org FOREIGN KEY (org_id) REFERENCES cadence_sync.orgs (org_id)
);

-- What `migrate` last applied of migrations/reporting/: one row.
CREATE TABLE cadence_sync.reporting_layer (
    checksum text NOT NULL,
    views text[] NOT NULL,
    routines text[] NOT NULL,
    release text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ix_cadence_versions_seen_before_valid
    ON cadence_sync.cadence_versions (org_id, cadence_id, version)
    WHERE observed_at < valid_from;
CREATE INDEX ix_cadence_changes_names ON cadence_sync.cadence_changes (org_id, cadence_id) INCLUDE (old_value)
    WHERE field = 'name' AND octet_length(old_value #>> '{}') <= 1000;
CREATE INDEX ix_cadence_changes_org_id_changed_at ON cadence_sync.cadence_changes (org_id, changed_at);
CREATE INDEX ix_cadence_changes_what ON cadence_sync.cadence_changes (org_id, field, changed_at)
    WHERE field <> 'modified_time' AND field <> 'modified_by.id';
CREATE INDEX ix_cadence_changes_who ON cadence_sync.cadence_changes (org_id, changed_by_id, changed_at)
    WHERE changed_by_id IS NOT NULL AND (field = '*' OR field = 'modified_time');
CREATE INDEX ix_discovered_fields_org_id_run_id ON cadence_sync.discovered_fields (org_id, run_id);
CREATE INDEX ix_sync_runs_open ON cadence_sync.sync_runs (org_id)
    WHERE outcome IS NULL;
CREATE INDEX ix_sync_runs_org_id_started_at ON cadence_sync.sync_runs (org_id, started_at);
CREATE INDEX ix_quarantined_records_org_id_cadence_id ON cadence_sync.quarantined_records (org_id, cadence_id);
CREATE INDEX ix_alert_outbox_open ON cadence_sync.alert_outbox (org_id, channel, next_attempt_at)
    WHERE sent_at IS NULL AND dead_lettered_at IS NULL;

CREATE FUNCTION cadence_sync.refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'history is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- A transaction id alone can recur on a server that a dump was restored to; with its time it cannot.
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

-- The one permitted UPDATE of a version closes it: triggers on the columns that a statement names cost it nothing.
CREATE TRIGGER keep_versions
    BEFORE UPDATE OF org_id, cadence_id, version, kind, valid_from, observed_at, source_modified_time, document, run_id
    ON cadence_sync.cadence_versions FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER close_once BEFORE UPDATE OF valid_to ON cadence_sync.cadence_versions
    FOR EACH ROW WHEN (OLD.valid_to IS NOT NULL OR NEW.valid_to IS NULL)
    EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER redact_versions BEFORE UPDATE OF raw ON cadence_sync.cadence_versions
    FOR EACH ROW EXECUTE FUNCTION cadence_sync.refuse_unless_redacting();
CREATE TRIGGER keep_all_versions BEFORE DELETE OR TRUNCATE ON cadence_sync.cadence_versions
    FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite();

CREATE TRIGGER keep_changes
    BEFORE UPDATE OF change_id, org_id, cadence_id, version, run_id, kind, field, old_value, new_value, changed_at,
        observed_at, changed_by_id OR DELETE OR TRUNCATE
    ON cadence_sync.cadence_changes FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER redact_changes BEFORE UPDATE OF changed_by_name ON cadence_sync.cadence_changes
    FOR EACH ROW EXECUTE FUNCTION cadence_sync.refuse_unless_redacting();

CREATE TRIGGER keep_cadences BEFORE DELETE OR TRUNCATE ON cadence_sync.cadences
    FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER keep_discovered_fields BEFORE UPDATE OR DELETE OR TRUNCATE ON cadence_sync.discovered_fields
    FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER keep_redactions BEFORE UPDATE OR DELETE OR TRUNCATE ON cadence_sync.redactions
    FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite();
CREATE TRIGGER keep_audit_log BEFORE UPDATE OR DELETE OR TRUNCATE ON cadence_sync.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION cadence_sync.refuse_rewrite();
