-- What a decision came to for each check: a JSON list, none where it concerns no check.
ALTER TABLE decision ADD COLUMN checks text;

-- Which deliveries are about which pull request, ref or commit. `subject` is a number that is
-- derived from its name.
CREATE TABLE about (
    delivery bigint NOT NULL,
    subject bigint NOT NULL,
    PRIMARY KEY (delivery, subject)
) WITH (autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX about_by_subject ON about (subject, delivery);

-- The problems that there are, and since when. One that nobody has seen for long is over.
CREATE TABLE problem (
    organization text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    about text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    since bigint NOT NULL,
    seen_at bigint NOT NULL,
    PRIMARY KEY (organization, kind, about)
);

-- How much happened in each minute, by series and by the process that has counted.
CREATE TABLE minute (
    series text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    process text COLLATE "C" NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (series, at, process)
);
CREATE INDEX minute_by_at ON minute (at);

-- Sessions of people that were ended before their time.
CREATE TABLE ended_session (id text COLLATE "C" PRIMARY KEY, until bigint NOT NULL);
