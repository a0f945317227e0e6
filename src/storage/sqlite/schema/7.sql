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
