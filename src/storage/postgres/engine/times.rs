//! Where the rows of a time are in a list: keys grow with the times of rows, so the first row of a
//! time is found by halving, with one look-up by key for each half, all in one statement.

use super::db::{Db, params};
use super::failure::Failure;
use super::rows::get;

/// The times of a list's rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) table: &'static str,
    pub(crate) key: &'static str,
    /// The time of a row, in microseconds.
    pub(crate) at: &'static str,
}

impl Times {
    /// The first key whose row is not before this time; one more than the last where all are.
    pub(crate) async fn first_key(self, db: &Db, at_us: i64) -> Result<i64, Failure> {
        let Self { table, key, at } = self;
        // A row that is looked at may be beyond `high`, where all are late enough.
        let sql = format!(
            "WITH RECURSIVE halves (low, high) AS (
                SELECT (SELECT min({key}) FROM {table}), (SELECT max({key}) FROM {table}) + 1
                UNION ALL
                SELECT CASE WHEN is_before THEN middle + 1 ELSE low END,
                    CASE WHEN is_before THEN high ELSE middle END
                FROM halves CROSS JOIN LATERAL (SELECT low + (high - low) / 2 AS middle) AS half
                CROSS JOIN LATERAL (SELECT coalesce({at} < $1, false) AS is_before FROM {table}
                    WHERE {key} >= middle ORDER BY {key} LIMIT 1) AS look
                WHERE low < high)
            SELECT low FROM halves WHERE low >= high"
        );
        let found = db.row(&sql, params![at_us]).await?;
        found.as_ref().map_or(Ok(0), |row| get(row, 0))
    }
}
