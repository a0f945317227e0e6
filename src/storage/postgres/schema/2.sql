-- When the CI of a run is asked about it next; set while the run is at the CI, and until the CI was
-- told to cancel it.
ALTER TABLE run ADD COLUMN follow_at bigint;
CREATE INDEX run_by_follow ON run (follow_at) WHERE follow_at IS NOT NULL;

-- Accounts at CI systems that are not called until then: they limit the rate of calls, or have
-- locked the gateway out.
CREATE TABLE ci_pause (
    account text PRIMARY KEY,
    until bigint NOT NULL,
    reason text NOT NULL
);
