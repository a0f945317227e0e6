-- What a decision came to for each check: a JSON list, none where it concerns no check.
ALTER TABLE decision ADD COLUMN checks TEXT;

-- Which deliveries are about which pull request, ref or commit. `subject` is a number that is
-- derived from its name.
CREATE TABLE about (
    delivery INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    PRIMARY KEY (delivery, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX about_by_subject ON about (subject, delivery);

-- The problems that there are, and since when. One that nobody has seen for long is over.
CREATE TABLE problem (
    organization TEXT NOT NULL,
    kind TEXT NOT NULL,
    about TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (organization, kind, about)
) STRICT, WITHOUT ROWID;

-- How much happened in each minute, by series and by the process that has counted.
CREATE TABLE minute (
    series TEXT NOT NULL,
    at INTEGER NOT NULL,
    process TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (series, at, process)
) STRICT, WITHOUT ROWID;
CREATE INDEX minute_by_at ON minute (at);

-- Sessions of people that were ended before their time.
CREATE TABLE ended_session (id TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
