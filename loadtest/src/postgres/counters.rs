//! What the server did between two moments, from its own statistics: log written, transactions, and
//! statements where it counts them.

use std::collections::BTreeMap;

use anyhow::Context;

use super::psql::Psql;
use crate::rounds::Measurement;

/// The statistics lag up to a second behind; the position of the log and the number of the next
/// transaction do not. Columns that some versions lack are null.
const COUNTERS: &str = "
    SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'),
        pg_snapshot_xmax(pg_current_snapshot()), xact_commit,
        coalesce((to_jsonb(pg_stat_wal) ->> 'wal_sync')::bigint, 0)
    FROM pg_stat_database CROSS JOIN pg_stat_wal WHERE datname = current_database()";
/// Blanks are joined, so that a statement is one line.
const STATEMENTS: &str = r"
    SELECT calls, rows, total_exec_time * 1000, regexp_replace(query, '\s+', ' ', 'g')
    FROM statements.pg_stat_statements JOIN pg_roles ON pg_roles.oid = userid
    WHERE rolname = 'gateway'";
/// How many statements are shown, those first that took most time, and how much of each.
const STATEMENTS_MAX: usize = 30;
const TEXT_MAX: usize = 100;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    wal_bytes: f64,
    /// Transactions that wrote something.
    writes: f64,
    commits: f64,
    wal_syncs: f64,
    /// Calls, rows and microseconds of each statement.
    statements: BTreeMap<String, [f64; 3]>,
}

impl Counters {
    pub(super) async fn read(psql: &Psql, has_statements: bool) -> anyhow::Result<Self> {
        let printed = psql.ask(COUNTERS).await?;
        let numbers = printed.split('|').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        let &[wal_bytes, writes, commits, wal_syncs] = numbers.as_slice() else {
            anyhow::bail!("statistics of an unknown form: {printed}");
        };
        let mut statements = BTreeMap::new();
        if has_statements {
            for line in psql.ask(STATEMENTS).await?.lines() {
                let (text, numbers) = statement(line).context("a statement of an unknown form")?;
                let sum = statements.entry(text).or_insert([0.0; 3]);
                sum.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
            }
        }
        Ok(Self { wal_bytes, writes, commits, wal_syncs, statements })
    }

    /// What happened since `before`, for each of `count` things.
    pub(crate) fn since(&self, before: &Self, count: f64) -> [(&'static str, f64); 4] {
        let each = |of: fn(&Self) -> f64| (of(self) - of(before)) / count.max(1.0);
        [
            ("wal_bytes_each", each(|counters| counters.wal_bytes)),
            ("writing_transactions_each", each(|counters| counters.writes)),
            ("commits_each", each(|counters| counters.commits)),
            ("wal_syncs_each", each(|counters| counters.wal_syncs)),
        ]
    }

    /// The statements since `before` that took most time, for each of `count` things.
    pub(crate) fn statements_since(&self, before: &Self, count: f64) -> Vec<Measurement> {
        let mut spent: Vec<(&str, [f64; 3])> = Vec::new();
        for (text, now) in &self.statements {
            let then = before.statements.get(text).copied().unwrap_or_default();
            let [calls, rows, us] = [0, 1, 2].map(|field| {
                let of = |numbers: &[f64; 3]| numbers.get(field).copied().unwrap_or_default();
                (of(now) - of(&then)) / count.max(1.0)
            });
            if calls > 0.0 {
                spent.push((text, [calls, rows, us]));
            }
        }
        spent.sort_by(|(_, one), (_, other)| other[2].total_cmp(&one[2]));
        let all_calls = spent.iter().map(|(_, [calls, ..])| calls).sum();
        let all_us = spent.iter().map(|(_, [.., us])| us).sum();
        let all_rows = spent.iter().map(|(_, [_, rows, _])| rows).sum();
        let all = [("all statements", [all_calls, all_rows, all_us])];
        all.into_iter().chain(spent.into_iter().take(STATEMENTS_MAX)).map(measurement).collect()
    }
}

fn measurement((text, [calls, rows, us]): (&str, [f64; 3])) -> Measurement {
    let text: String = text.chars().take(TEXT_MAX).collect();
    Measurement::new(text, [("calls_each", calls), ("rows_each", rows), ("us_each", us)])
}

/// The text of a statement, which may have any characters in it, and its numbers.
fn statement(line: &str) -> Option<(String, [f64; 3])> {
    let mut fields = line.splitn(4, '|');
    let mut number = || fields.next()?.parse().ok();
    let numbers = [number()?, number()?, number()?];
    Some((fields.next()?.trim().to_owned(), numbers))
}

#[cfg(test)]
mod tests {
    use super::{Counters, statement};

    #[test]
    fn a_statement_may_have_bars_in_it() {
        let (text, numbers) = statement("3|4|5.5|SELECT a || $1").unwrap();
        assert_eq!((text.as_str(), numbers), ("SELECT a || $1", [3.0, 4.0, 5.5]));
    }

    #[test]
    fn only_what_happened_since_is_counted() {
        let counters = |wal_bytes, calls| Counters {
            wal_bytes,
            writes: 0.0,
            commits: 0.0,
            wal_syncs: 0.0,
            statements: [("COMMIT".to_owned(), [calls, 0.0, 8.0])].into(),
        };
        let (before, after) = (counters(100.0, 2.0), counters(300.0, 6.0));
        assert_eq!(after.since(&before, 2.0)[0], ("wal_bytes_each", 100.0));
        let statements = after.statements_since(&before, 2.0);
        assert_eq!(statements[1].get("calls_each"), Some(2.0));
    }
}
