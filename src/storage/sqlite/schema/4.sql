-- Up to where the deliveries that lie beside the database are in it: a segment and a position. One
-- row.
CREATE TABLE intake (
    segment INTEGER NOT NULL,
    position INTEGER NOT NULL
) STRICT;
INSERT INTO intake VALUES (0, 0);

-- What lists look for and hardly find. What comes all the time is in none of these, so that it costs
-- nothing there; it is found by looking at the newest rows.
CREATE INDEX delivery_by_source ON delivery (source) WHERE source <> 'hook';
CREATE INDEX delivery_by_type ON delivery (event_type)
    WHERE event_type NOT IN ('git.push', 'git.pullrequest.created', 'git.pullrequest.updated',
        'git.pullrequest.merged', 'ms.vss-code.git-pullrequest-comment-event');
CREATE INDEX decision_by_outcome ON decision (outcome);
CREATE INDEX run_by_state ON run (state)
    WHERE state IN ('failed', 'errored', 'cancelled', 'timed_out', 'superseded');
CREATE INDEX status_by_outcome ON status (outcome) WHERE outcome IN ('refused', 'unchanged');

-- The first digits of the commit: enough to find it, and half of what the whole costs.
ALTER TABLE run ADD COLUMN commit_start TEXT;
UPDATE run SET commit_start = substr(json_extract(body, '$.commit'), 1, 16);
CREATE INDEX run_by_commit ON run (commit_start);
