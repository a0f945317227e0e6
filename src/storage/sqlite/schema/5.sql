-- Runners that have asked for runs. Not seen for as long as finished runs are kept, a runner is
-- deleted.
CREATE TABLE runner (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token TEXT NOT NULL,
    name TEXT NOT NULL,
    labels TEXT NOT NULL,
    since INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    UNIQUE (token, name)
) STRICT;
