-- The SQLite schema. Times are microseconds since 1970, UTC. Organizations compare without case in
-- the tables of links, audit log and reconcilers, as Azure DevOps compares them. GUIDs are lower
-- case.
--
-- Deliveries and decisions are only appended. Whatever waits for work lies in small tables and
-- columns of its own, so that a claim never rewrites a body.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- The name of this installation.
INSERT INTO meta (key, value) VALUES ('gateway', lower(hex(randomblob(4))));

-- One row: every delivery before this position in the segment files is in the database. `starts`
-- changes with every start, so that there is something to sync.
CREATE TABLE intake (
    segment INTEGER NOT NULL,
    position INTEGER NOT NULL,
    starts INTEGER NOT NULL
) STRICT;
INSERT INTO intake VALUES (0, 0, 0);

-- DELIVERIES

-- Numbers for the GUIDs of subscriptions, so that the key of a delivery is two small integers.
-- `scope` is that of the hook's password.
CREATE TABLE subscription (
    id INTEGER PRIMARY KEY,
    organization TEXT NOT NULL,
    scope TEXT NOT NULL,
    guid TEXT NOT NULL,
    UNIQUE (organization, scope, guid)
) STRICT;

-- `catch_up` is JSON, on deliveries that catch-up stored. `body` is compressed.
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY,
    organization TEXT NOT NULL,
    hook TEXT NOT NULL,
    source TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    subscription INTEGER,
    notification INTEGER,
    event_id BLOB,
    event_type TEXT,
    created_at INTEGER,
    catch_up TEXT,
    body BLOB NOT NULL,
    body_bytes INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX delivery_by_notification ON delivery (subscription, notification)
    WHERE subscription IS NOT NULL AND notification IS NOT NULL;
CREATE INDEX delivery_by_event ON delivery (event_id) WHERE event_id IS NOT NULL;

-- Deliveries that wait for a decision.
CREATE TABLE inbox (
    delivery INTEGER PRIMARY KEY,
    due_at INTEGER NOT NULL,
    lease INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX inbox_by_due ON inbox (due_at);

CREATE TABLE decision (
    delivery INTEGER PRIMARY KEY,
    outcome TEXT NOT NULL,
    event TEXT,
    reason TEXT NOT NULL,
    decided_at INTEGER NOT NULL
) STRICT;

-- What is known of Azure DevOps. `former` is a JSON list of names. `project` is the GUID of the
-- project where Azure DevOps lists the repository, and so is the name of a project: deliveries
-- store neither.
CREATE TABLE repository (
    organization TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    former TEXT NOT NULL,
    project TEXT,
    PRIMARY KEY (organization, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE project (
    organization TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (organization, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE pull_request (
    organization TEXT NOT NULL,
    repository TEXT NOT NULL,
    id INTEGER NOT NULL,
    as_of INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (organization, repository, id)
) STRICT, WITHOUT ROWID;
-- The few pull requests that are active, of all that are stored.
CREATE INDEX pull_request_active ON pull_request (organization, repository, id)
    WHERE json_extract(body, '$.status') = 'active';
CREATE TABLE ref (
    organization TEXT NOT NULL,
    repository TEXT NOT NULL,
    name TEXT NOT NULL,
    head TEXT,
    push_id INTEGER,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (organization, repository, name)
) STRICT, WITHOUT ROWID;

-- RUNS

-- `due_at` is set while a run waits to be started, `overdue_at` until it ends. `commit_start` is
-- the beginning of the commit id: enough to find it, at half the cost.
CREATE TABLE run (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    revision INTEGER NOT NULL,
    delivery INTEGER,
    organization TEXT NOT NULL,
    subject TEXT NOT NULL,
    check_key TEXT NOT NULL,
    commit_start TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    overdue_at INTEGER,
    due_at INTEGER,
    leased_until INTEGER NOT NULL DEFAULT 0,
    lease INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX run_by_subject ON run (organization, subject, number);
CREATE INDEX run_by_delivery ON run (delivery) WHERE delivery IS NOT NULL;
CREATE INDEX run_by_due ON run (due_at, number, check_key, leased_until) WHERE due_at IS NOT NULL;
CREATE INDEX run_by_overdue ON run (overdue_at) WHERE overdue_at IS NOT NULL;
CREATE INDEX run_by_check ON run (check_key, state, leased_until) WHERE overdue_at IS NOT NULL;
CREATE INDEX run_by_commit ON run (commit_start);

-- STATUSES

-- A slot is the place at Azure DevOps that shows one status. `owner` is the number of the run that
-- it belongs to, `newest` the status that it should show; `due_at` is set until it does. `posted`
-- is what it shows, as far as is known. `iteration` was found for a status of the run
-- `iteration_of`; for statuses older than `renewed` it does not count. Ids are never used twice,
-- since leases name them.
CREATE TABLE slot (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    organization TEXT NOT NULL,
    owner INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    posted TEXT,
    iteration INTEGER,
    iteration_of BLOB,
    renewed INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER,
    leased_until INTEGER NOT NULL DEFAULT 0,
    lease INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    doubtful INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX slot_by_due ON slot (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE status (
    id INTEGER PRIMARY KEY,
    slot INTEGER NOT NULL,
    run BLOB,
    organization TEXT NOT NULL,
    body TEXT NOT NULL,
    queued_at INTEGER NOT NULL,
    posted_at INTEGER,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX status_by_run ON status (run) WHERE run IS NOT NULL;
CREATE INDEX status_queued ON status (slot, id) WHERE outcome = 'queued';

-- LISTS

-- Only values that are rare are indexed, so that the others cost nothing here. Rows with a frequent
-- value are found among the newest rows.
CREATE INDEX delivery_by_source ON delivery (source) WHERE source <> 'hook';
CREATE INDEX delivery_by_type ON delivery (event_type)
    WHERE event_type NOT IN ('git.push', 'git.pullrequest.created', 'git.pullrequest.updated',
        'git.pullrequest.merged', 'ms.vss-code.git-pullrequest-comment-event');
CREATE INDEX decision_by_outcome ON decision (outcome);
CREATE INDEX run_by_state ON run (state)
    WHERE state IN ('failed', 'errored', 'cancelled', 'timed_out', 'superseded');
CREATE INDEX status_by_outcome ON status (outcome) WHERE outcome IN ('refused', 'unchanged');

-- LINKS. Tokens and verifiers are sealed; tickets, states and browsers are SHA-256.

CREATE TABLE ticket (
    digest BLOB PRIMARY KEY,
    organization TEXT NOT NULL COLLATE NOCASE,
    actor TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_by_expiry ON ticket (expires_at);

-- Sign-ins that were begun and not ended.
CREATE TABLE login (
    state BLOB PRIMARY KEY,
    browser BLOB NOT NULL,
    organization TEXT NOT NULL COLLATE NOCASE,
    nonce TEXT NOT NULL,
    verifier BLOB NOT NULL,
    actor TEXT NOT NULL,
    via TEXT NOT NULL,
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

-- Revision and lease of each link. A row outlives its link, so that no number is used twice.
-- `leased_until` is 0 while nobody renews the link.
CREATE TABLE link_fence (
    organization TEXT PRIMARY KEY COLLATE NOCASE,
    revision INTEGER NOT NULL,
    lease INTEGER NOT NULL DEFAULT 0,
    leased_until INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- AUDIT LOG

-- Appended only, until it is old. People quote the ids, so none is used twice.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    organization TEXT NOT NULL COLLATE NOCASE,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    identity TEXT,
    actor TEXT NOT NULL,
    via TEXT NOT NULL,
    run BLOB,
    pat TEXT,
    scope TEXT,
    lifetime_s INTEGER,
    activity_id TEXT,
    detail TEXT NOT NULL
) STRICT;
-- Each index ends in the id, so a page is read newest first without sorting.
CREATE INDEX audit_by_organization ON audit (organization);
CREATE INDEX audit_by_run ON audit (run) WHERE run IS NOT NULL;
CREATE INDEX audit_by_pat ON audit (pat) WHERE pat IS NOT NULL;
CREATE INDEX audit_by_time ON audit (at);

-- RECONCILIATION

-- The passes of reconcilers. `number` grows with each claim. `holder` is the process that has
-- claimed the pass until `leased_until`, which is 0 when that process is gone. `changing` and `idle`
-- count passes since the last one that left nothing to do. `last_…` is the last outcome.
CREATE TABLE reconciler (
    organization TEXT NOT NULL COLLATE NOCASE,
    reconciler TEXT NOT NULL,
    number INTEGER NOT NULL,
    holder TEXT,
    leased_until INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    changing INTEGER NOT NULL,
    idle INTEGER NOT NULL,
    last_instance TEXT,
    last_at INTEGER,
    last_changes INTEGER,
    last_has_more INTEGER,
    last_problem TEXT,
    PRIMARY KEY (organization, reconciler)
) STRICT, WITHOUT ROWID;

-- Organizations whose hooks an operator removed: none is created there.
CREATE TABLE hook_hold (
    organization TEXT PRIMARY KEY COLLATE NOCASE
) STRICT, WITHOUT ROWID;

-- The generation of the secret of each hook scope. Secrets are derived and never stored. A row is
-- never deleted, so that no generation is used twice.
CREATE TABLE hook_scope (
    organization TEXT NOT NULL COLLATE NOCASE,
    project_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    generation INTEGER NOT NULL,
    live_from INTEGER NOT NULL,
    renewed_at INTEGER NOT NULL,
    healings INTEGER NOT NULL,
    PRIMARY KEY (organization, project_id, topic)
) STRICT, WITHOUT ROWID;

-- When each hook delivered first and last.
CREATE TABLE hook_activity (
    organization TEXT NOT NULL COLLATE NOCASE,
    hook TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (organization, hook)
) STRICT, WITHOUT ROWID;

-- Subscriptions as last seen at Azure DevOps. One that is seen again keeps its id, so that pages of
-- lists do not shift.
CREATE TABLE seen_subscription (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    organization TEXT NOT NULL COLLATE NOCASE,
    guid TEXT NOT NULL COLLATE NOCASE,
    project TEXT,
    found TEXT NOT NULL,
    hook TEXT NOT NULL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    checks TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    UNIQUE (guid, organization)
) STRICT;

-- Repositories that catch-up watches. `since` is set once; `read_until` only grows.
CREATE TABLE watched_repository (
    organization TEXT NOT NULL COLLATE NOCASE,
    repository TEXT NOT NULL,
    since INTEGER,
    read_until INTEGER,
    PRIMARY KEY (organization, repository)
) STRICT, WITHOUT ROWID;

-- Status policies that we created.
CREATE TABLE policy (
    organization TEXT NOT NULL COLLATE NOCASE,
    project_id TEXT NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (organization, project_id, id)
) STRICT, WITHOUT ROWID;
