-- Waiting runs start in the order in which they were planned, be it that some were postponed.
DROP INDEX run_by_due;
CREATE INDEX run_by_number ON run (number, due_at, check_key, ci, leased_until)
    WHERE due_at IS NOT NULL;
