//! Where the rows of a time are in a list: keys grow with the times of rows, so the first row of a
//! time is found by halving, with one look-up by key for each half.

use rusqlite::Connection;

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
    pub(crate) fn first_key(self, db: &Connection, at_us: i64) -> rusqlite::Result<i64> {
        let Self { table, key, at } = self;
        let end = |which: &str| {
            let sql = format!("SELECT coalesce({which}({key}), 0) FROM {table}");
            db.prepare_cached(&sql)?.query_row([], |row| row.get::<_, i64>(0))
        };
        let (mut low, mut high) = (end("min")?, end("max")?.saturating_add(1));
        let sql = format!(
            "SELECT coalesce({at} < ?, 0) FROM {table} WHERE {key} >= ? ORDER BY {key} LIMIT 1"
        );
        let mut look = db.prepare_cached(&sql)?;
        while low < high {
            let middle = low + (high - low) / 2;
            // The row may be beyond `high`, where all are late enough.
            let mut found = look.query([at_us, middle])?;
            let is_before = found.next()?.map_or(Ok(false), |row| row.get(0))?;
            (low, high) = if is_before { (middle.saturating_add(1), high) } else { (low, middle) };
        }
        Ok(low)
    }
}
