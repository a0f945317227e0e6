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
