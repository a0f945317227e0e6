//! Which problems there are, and since when.

use async_trait::async_trait;

use super::Postgres;
use super::engine::db::{Db, params, text};
use super::engine::failure::Failure;
use super::engine::rows::{get, time};
use crate::domain::time::Timestamp;
use crate::storage::{Error, ProblemKey, ProblemRow, Problems, SeenProblems};

#[async_trait]
impl Problems for Postgres {
    async fn see_problems(&self, seen: SeenProblems) -> Result<(), Error> {
        self.pool.write(seen, |db, seen| async move { see(&db, &seen).await }).await
    }

    async fn problems(&self, seen_after: Timestamp) -> Result<Vec<ProblemRow>, Error> {
        self.pool.read(seen_after, |db, after| async move { list(&db, *after).await }).await
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
