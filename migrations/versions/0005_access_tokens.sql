-- Never a secret itself: `digest` is its SHA-256, and a secret has 256 random bits, so that no slow hash is needed.
CREATE TABLE cadence_sync.access_tokens (
    token_id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    digest bytea NOT NULL,
    role text NOT NULL,
    -- NULL for all organizations.
    orgs text[],
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    -- NULL for never.
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    revoked_by text,
    CONSTRAINT pk_access_tokens PRIMARY KEY (token_id),
    CONSTRAINT uq_access_tokens_digest UNIQUE (digest),
    CONSTRAINT ck_access_tokens_role CHECK (role IN ('viewer', 'reviewer')),
    CONSTRAINT ck_access_tokens_sha256 CHECK (octet_length(digest) = 32),
    CONSTRAINT ck_access_tokens_some_org CHECK (cardinality(orgs) > 0),
    CONSTRAINT ck_access_tokens_revoked_by_a_person CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE UNIQUE INDEX ix_access_tokens_name_in_use ON cadence_sync.access_tokens (name) WHERE revoked_at IS NULL;
