-- The SQLite schema, version 1. Times are microseconds since 1970, UTC. Facts and decisions are
-- only ever appended; what waits for work lies in small tables and columns of its own, so that a
-- claim never rewrites a body.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Subscriptions are interned, so that the key below is two small integers that append.
CREATE TABLE subscription (
    id INTEGER PRIMARY KEY,
    organization TEXT NOT NULL,
    guid TEXT NOT NULL,
    UNIQUE (organization, guid)
) STRICT;

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

-- What we know of Azure DevOps, as last told.
CREATE TABLE repository (
    organization TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    former TEXT NOT NULL,
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

-- `due_at` is set while a run waits to be started, `overdue_at` until it ends.
CREATE TABLE run (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    revision INTEGER NOT NULL,
    delivery INTEGER,
    organization TEXT NOT NULL,
    subject TEXT NOT NULL,
    check_key TEXT NOT NULL,
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

-- A place at Azure DevOps where only the newest status counts; `due_at` is set while it does not
-- show what it should. Numbers are not given out again, since they are what leases name.
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
