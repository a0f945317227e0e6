-- Pull requests and refs take turns at the places of a check: whether an earlier run of one has not
-- ended is seen in the index in which the runs of a check are counted.
DROP INDEX run_by_check;
CREATE INDEX run_by_check ON run (check_key, subject, number, state, leased_until)
    WHERE overdue_at IS NOT NULL;
