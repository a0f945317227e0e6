//! Problems, and how much happened in each minute.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::Sqlite;
use super::engine::rows::{time, to_json};
use crate::domain::time::Timestamp;
use crate::storage::{Error, HourRow, MinuteRow, Monitoring, ProblemRow, SeenProblems};

#[async_trait]
impl Monitoring for Sqlite {
    async fn see_problems(&self, seen: SeenProblems) -> Result<(), Error> {
        self.writer.write_without_sync(1024, move |db| see(db, &seen)).await
    }

    async fn problems(&self, seen_after: Timestamp) -> Result<Vec<ProblemRow>, Error> {
        self.readers.read(move |db| list(db, seen_after)).await
    }

    async fn add_minutes(
        &self,
        process: String,
        rows: Vec<MinuteRow>,
        forget_before: Timestamp,
    ) -> Result<(), Error> {
        let add = move |db: &Connection| add_minutes(db, &process, &rows, forget_before);
        self.writer.write_without_sync(4096, add).await
    }

    async fn minutes(
        &self,
        series: Vec<String>,
        since: Timestamp,
    ) -> Result<Vec<MinuteRow>, Error> {
        self.readers.read(move |db| minutes(db, &series, since)).await
    }

    async fn hours(
        &self,
        series: Vec<String>,
        begins: Vec<Timestamp>,
    ) -> Result<Vec<HourRow>, Error> {
        self.readers.read(move |db| hours(db, &series, &begins)).await
    }
}

fn see(db: &Connection, seen: &SeenProblems) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM problem WHERE seen_at < ?1")?
        .execute([seen.over_before.micros()])?;
    for (organization, kind, about) in &seen.over {
        db.prepare_cached(
            "DELETE FROM problem WHERE organization = ?1 AND kind = ?2 AND about = ?3",
        )?
        .execute([organization, kind, about])?;
    }
    for ProblemRow { key: (organization, kind, about), reason, since } in &seen.all {
        db.prepare_cached(
            "INSERT INTO problem (organization, kind, about, reason, since, seen_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE
             SET reason = excluded.reason, since = min(since, excluded.since),
                 seen_at = max(seen_at, excluded.seen_at)",
        )?
        .execute(params![
            organization,
            kind,
            about,
            reason,
            since.micros(),
            seen.seen_at.micros()
        ])?;
    }
    Ok(())
}

fn list(db: &Connection, seen_after: Timestamp) -> rusqlite::Result<Vec<ProblemRow>> {
    db.prepare_cached(
        "SELECT organization, kind, about, reason, since FROM problem WHERE seen_at > ?1
         ORDER BY organization, kind, about",
    )?
    .query_map([seen_after.micros()], |row| {
        let key = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(ProblemRow { key, reason: row.get(3)?, since: time(row, 4)? })
    })?
    .collect()
}

fn add_minutes(
    db: &Connection,
    process: &str,
    rows: &[MinuteRow],
    forget_before: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM minute WHERE at < ?1")?.execute([forget_before.micros()])?;
    for MinuteRow { at, series, value } in rows {
        db.prepare_cached(
            "INSERT INTO minute (series, at, process, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET value = excluded.value",
        )?
        .execute(params![series, at.micros(), process, value])?;
    }
    Ok(())
}

fn minutes(
    db: &Connection,
    series: &[String],
    since: Timestamp,
) -> rusqlite::Result<Vec<MinuteRow>> {
    db.prepare_cached(
        "SELECT series, at, value FROM minute
         WHERE series IN (SELECT value FROM json_each(?1)) AND at >= ?2
         ORDER BY series, at, process",
    )?
    .query_map(params![to_json(&series)?, since.micros()], |row| {
        Ok(MinuteRow { series: row.get(0)?, at: time(row, 1)?, value: row.get(2)? })
    })?
    .collect()
}

fn hours(
    db: &Connection,
    series: &[String],
    begins: &[Timestamp],
) -> rusqlite::Result<Vec<HourRow>> {
    let begins: Vec<i64> = begins.iter().map(|at| at.micros()).collect();
    db.prepare_cached(
        "SELECT series, hour.value, sum(minute.value), count(*)
         FROM json_each(?1) AS name CROSS JOIN json_each(?2) AS hour CROSS JOIN minute
         WHERE series = name.value AND at >= hour.value AND at < hour.value + 3600000000
         GROUP BY series, hour.value ORDER BY series, hour.value",
    )?
    .query_map([to_json(&series)?, to_json(&begins)?], |row| {
        let (sum, values) = (row.get(2)?, row.get(3)?);
        Ok(HourRow { series: row.get(0)?, at: time(row, 1)?, sum, values })
    })?
    .collect()
}
