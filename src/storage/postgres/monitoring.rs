//! Problems, and how much happened in each minute.

use async_trait::async_trait;

use super::Postgres;
use super::engine::db::{Db, params, text};
use super::engine::failure::Failure;
use super::engine::rows::{get, time};
use crate::domain::time::Timestamp;
use crate::storage::{Error, HourRow, MinuteRow, Monitoring, ProblemKey, ProblemRow, SeenProblems};

#[async_trait]
impl Monitoring for Postgres {
    async fn see_problems(&self, seen: SeenProblems) -> Result<(), Error> {
        self.pool.write(seen, |db, seen| async move { see(&db, &seen).await }).await
    }

    async fn problems(&self, seen_after: Timestamp) -> Result<Vec<ProblemRow>, Error> {
        self.pool.read(seen_after, |db, after| async move { list(&db, *after).await }).await
    }

    async fn add_minutes(
        &self,
        process: String,
        rows: Vec<MinuteRow>,
        forget_before: Timestamp,
    ) -> Result<(), Error> {
        let of = (process, rows, forget_before);
        let added =
            self.pool.write(of, |db, of| async move { add_minutes(&db, &of.0, &of.1, of.2).await });
        added.await
    }

    async fn minutes(
        &self,
        series: Vec<String>,
        since: Timestamp,
    ) -> Result<Vec<MinuteRow>, Error> {
        let of = (series, since);
        self.pool.read(of, |db, of| async move { minutes(&db, &of.0, of.1).await }).await
    }

    async fn hours(
        &self,
        series: Vec<String>,
        begins: Vec<Timestamp>,
    ) -> Result<Vec<HourRow>, Error> {
        let of = (series, begins);
        self.pool.read(of, |db, of| async move { hours(&db, &of.0, &of.1).await }).await
    }
}

/// One process at a time: the rows that they lock are in no common order.
async fn see(db: &Db, seen: &SeenProblems) -> Result<(), Failure> {
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 15))";
    db.rows(lock, params![text("problem")]).await?;
    let (organizations, kinds, abouts) = columns(seen.over.iter());
    let over = "DELETE FROM problem WHERE seen_at < $1
        OR (organization, kind, about) IN (SELECT * FROM unnest($2, $3, $4))";
    db.execute(over, params![seen.over_before.micros(), organizations, kinds, abouts]).await?;
    let (organizations, kinds, abouts) = columns(seen.all.iter().map(|row| &row.key));
    let reasons: Vec<_> = seen.all.iter().map(|row| text(&row.reason)).collect();
    let since: Vec<i64> = seen.all.iter().map(|row| row.since.micros()).collect();
    let sql = "INSERT INTO problem (organization, kind, about, reason, since, seen_at)
        SELECT seen.*, $6 FROM unnest($1, $2, $3, $4, $5) AS seen
        ON CONFLICT (organization, kind, about) DO UPDATE
        SET reason = excluded.reason, since = least(problem.since, excluded.since),
            seen_at = greatest(problem.seen_at, excluded.seen_at)";
    let seen_at = seen.seen_at.micros();
    db.execute(sql, params![organizations, kinds, abouts, reasons, since, seen_at]).await?;
    Ok(())
}

type Texts<'a> = Vec<std::borrow::Cow<'a, str>>;

fn columns<'a>(keys: impl Iterator<Item = &'a ProblemKey>) -> (Texts<'a>, Texts<'a>, Texts<'a>) {
    let keys =
        keys.map(|(organization, kind, about)| (text(organization), (text(kind), text(about))));
    let (organizations, others): (Vec<_>, Vec<_>) = keys.unzip();
    let (kinds, abouts) = others.into_iter().unzip();
    (organizations, kinds, abouts)
}

async fn list(db: &Db, seen_after: Timestamp) -> Result<Vec<ProblemRow>, Failure> {
    let sql = "SELECT organization, kind, about, reason, since FROM problem WHERE seen_at > $1
        ORDER BY organization, kind, about";
    let rows = db.rows(sql, params![seen_after.micros()]).await?;
    let row = |row| {
        let key = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
        Ok(ProblemRow { key, reason: get(row, 3)?, since: time(row, 4)? })
    };
    rows.iter().map(row).collect()
}

async fn add_minutes(
    db: &Db,
    process: &str,
    rows: &[MinuteRow],
    forget_before: Timestamp,
) -> Result<(), Failure> {
    let forget = "DELETE FROM minute WHERE at < $1";
    db.execute(forget, params![forget_before.micros()]).await?;
    let sql = "INSERT INTO minute (series, at, process, value)
        SELECT series, at, $4, value FROM unnest($1, $2, $3) AS counted (series, at, value)
        ON CONFLICT (series, at, process) DO UPDATE SET value = excluded.value";
    let series: Vec<_> = rows.iter().map(|row| text(&row.series)).collect();
    let at: Vec<i64> = rows.iter().map(|row| row.at.micros()).collect();
    let values: Vec<i64> = rows.iter().map(|row| row.value).collect();
    db.execute(sql, params![series, at, values, text(process)]).await?;
    Ok(())
}

async fn minutes(db: &Db, series: &[String], since: Timestamp) -> Result<Vec<MinuteRow>, Failure> {
    let sql = "SELECT series, at, value FROM minute WHERE series = ANY($1) AND at >= $2
        ORDER BY series, at, process";
    let series: Vec<_> = series.iter().map(|one| text(one)).collect();
    let rows = db.rows(sql, params![series, since.micros()]).await?;
    let row = |row| Ok(MinuteRow { series: get(row, 0)?, at: time(row, 1)?, value: get(row, 2)? });
    rows.iter().map(row).collect()
}

async fn hours(db: &Db, series: &[String], begins: &[Timestamp]) -> Result<Vec<HourRow>, Failure> {
    let sql = "SELECT series, hour, sum(value)::bigint, count(*)
        FROM unnest($1) AS hour CROSS JOIN unnest($2) AS name
        JOIN minute ON series = name AND at >= hour AND at < hour + 3600000000
        GROUP BY series, hour ORDER BY series, hour";
    let begins: Vec<i64> = begins.iter().map(|at| at.micros()).collect();
    let series: Vec<_> = series.iter().map(|one| text(one)).collect();
    let rows = db.rows(sql, params![begins, series]).await?;
    let row = |row| {
        let (sum, values) = (get(row, 2)?, get(row, 3)?);
        Ok(HourRow { series: get(row, 0)?, at: time(row, 1)?, sum, values })
    };
    rows.iter().map(row).collect()
}
