-- Waiting runs start in the order in which they were planned, be it that some were postponed. The
-- version before still searches with `run_by_due`.
CREATE INDEX run_by_number ON run (number, due_at) WHERE due_at IS NOT NULL;
