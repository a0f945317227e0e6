-- What is remembered of our identities. Organizations compare without case, as Azure DevOps has
-- it. Tokens and verifiers are sealed; tickets, states and browsers are SHA-256.

-- What this installation is called.
INSERT INTO meta (key, value) VALUES ('gateway', lower(hex(randomblob(4))));

CREATE TABLE ticket (
    digest BLOB PRIMARY KEY,
    organization TEXT NOT NULL COLLATE NOCASE,
    actor TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_by_expiry ON ticket (expires_at);

-- Sign-ins that were begun and have not come back.
CREATE TABLE login (
    state BLOB PRIMARY KEY,
    browser BLOB NOT NULL,
    organization TEXT NOT NULL COLLATE NOCASE,
    nonce TEXT NOT NULL,
    verifier BLOB NOT NULL,
    actor TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX login_by_expiry ON login (expires_at);

CREATE TABLE link (
    organization TEXT PRIMARY KEY COLLATE NOCASE,
    tenant_id TEXT NOT NULL,
    object_id TEXT NOT NULL,
    user_name TEXT NOT NULL,
    email TEXT,
    linked_at INTEGER NOT NULL,
    linked_by TEXT NOT NULL,
    signed_in_at INTEGER NOT NULL,
    refresh_token BLOB NOT NULL,
    access_token BLOB,
    access_expires_at INTEGER NOT NULL,
    refreshed_at INTEGER NOT NULL,
    retry_at INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    problem TEXT
) STRICT, WITHOUT ROWID;

-- The numbers that changes of a link are fenced with. A row outlives its link, so that none of
-- them is given out twice. `leased_until` is 0 while nobody renews.
CREATE TABLE link_fence (
    organization TEXT PRIMARY KEY COLLATE NOCASE,
    revision INTEGER NOT NULL,
    lease INTEGER NOT NULL DEFAULT 0,
    leased_until INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Only ever appended, until it is old. People quote the numbers, so none is given out again.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    organization TEXT NOT NULL COLLATE NOCASE,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    identity TEXT,
    actor TEXT NOT NULL,
    run BLOB,
    pat TEXT,
    scope TEXT,
    lifetime_s INTEGER,
    activity_id TEXT,
    detail TEXT NOT NULL
) STRICT;
-- Each index ends in the id by itself, so a page is read newest first without sorting.
CREATE INDEX audit_by_organization ON audit (organization);
CREATE INDEX audit_by_run ON audit (run) WHERE run IS NOT NULL;
CREATE INDEX audit_by_pat ON audit (pat) WHERE pat IS NOT NULL;
CREATE INDEX audit_by_time ON audit (at);
