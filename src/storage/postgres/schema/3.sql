-- The CI of a run, for its limit of concurrency; null where a run had ended before, or where a
-- process of the version before has stored it.
ALTER TABLE run ADD COLUMN ci text COLLATE "C";
UPDATE run SET ci = body::json ->> 'ci' WHERE overdue_at IS NOT NULL;
CREATE INDEX run_by_ci ON run (ci) WHERE overdue_at IS NOT NULL;
