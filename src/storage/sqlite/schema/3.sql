-- What the upkeep remembers. Organizations compare without case, as Azure DevOps has it; GUIDs are
-- lower case.

-- The passes of reconcilers. `number` grows with each claim. `holder` is the process that has claimed
-- the pass until `leased_until`, which is 0 when that process is gone. `last_…` is the last outcome.
CREATE TABLE reconciler (
    organization TEXT NOT NULL COLLATE NOCASE,
    reconciler TEXT NOT NULL,
    number INTEGER NOT NULL,
    holder TEXT,
    leased_until INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last_instance TEXT,
    last_at INTEGER,
    last_changes INTEGER,
    last_has_more INTEGER,
    last_problem TEXT,
    PRIMARY KEY (organization, reconciler)
) STRICT, WITHOUT ROWID;

-- Organizations whose hooks an operator took away.
CREATE TABLE hook_hold (
    organization TEXT PRIMARY KEY COLLATE NOCASE
) STRICT, WITHOUT ROWID;

-- The numbers of the secrets of each place. Secrets themselves are derived, never stored. A row is
-- never deleted, so that no number is given out twice.
CREATE TABLE hook_place (
    organization TEXT NOT NULL COLLATE NOCASE,
    project_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    generation INTEGER NOT NULL,
    live_from INTEGER NOT NULL,
    renewed_at INTEGER NOT NULL,
    healings INTEGER NOT NULL,
    PRIMARY KEY (organization, project_id, topic)
) STRICT, WITHOUT ROWID;

-- When deliveries came to a hook.
CREATE TABLE hook_arrival (
    id INTEGER PRIMARY KEY,
    organization TEXT NOT NULL COLLATE NOCASE,
    hook TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    UNIQUE (organization, hook)
) STRICT;
CREATE INDEX hook_arrival_by_time ON hook_arrival (last_at);

-- Subscriptions as last seen at Azure DevOps; `subscription` only interns whatever delivers to us.
-- One that is seen again keeps its number, so that pages stay where they are.
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

-- Repositories that checks watch. `since` is set once; `read_until` only grows.
CREATE TABLE watch (
    organization TEXT NOT NULL COLLATE NOCASE,
    repository TEXT NOT NULL,
    since INTEGER,
    read_until INTEGER,
    PRIMARY KEY (organization, repository)
) STRICT, WITHOUT ROWID;

-- Of all pull requests ever told of, the few that are active.
CREATE INDEX pull_request_active ON pull_request (organization, repository, id)
    WHERE json_extract(body, '$.status') = 'active';

-- Status policies that we created.
CREATE TABLE policy (
    organization TEXT NOT NULL COLLATE NOCASE,
    project_id TEXT NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (organization, project_id, id)
) STRICT, WITHOUT ROWID;
