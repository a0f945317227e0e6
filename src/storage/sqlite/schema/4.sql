-- The CI of a run, for its limit of concurrency; null where a run had ended before.
ALTER TABLE run ADD COLUMN ci TEXT;
UPDATE run SET ci = json_extract(body, '$.ci') WHERE overdue_at IS NOT NULL;
CREATE INDEX run_by_ci ON run (ci, state, leased_until) WHERE overdue_at IS NOT NULL;
DROP INDEX run_by_due;
CREATE INDEX run_by_due ON run (due_at, number, check_key, ci, leased_until)
    WHERE due_at IS NOT NULL;
