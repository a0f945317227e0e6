//! The passes of reconcilers: one row for each organization and reconciler. What an operation does
//! to a row is decided by `domain::reconciler`.

use tokio_postgres::Row;

use crate::domain::reconciler::{Asked, LastPass, Outcome, Repeats, State};
use crate::domain::time::Timestamp;
use crate::storage::Reconciler;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{count, get, time, time_maybe};

const COLUMNS: &str = "number, holder, leased_until, due_at, asked, changing, idle,
    last_instance, last_at, last_changes, last_has_more, last_problem";

/// A row that does not exist yet is the default.
pub(super) async fn load(
    db: &Db,
    organization: &str,
    reconciler: Reconciler,
) -> Result<State, Failure> {
    let sql = format!(
        "SELECT {COLUMNS} FROM reconciler
         WHERE lower(organization) = lower($1) AND reconciler = $2"
    );
    let row = db.row(&sql, params![text(organization), text(reconciler.as_str())]).await?;
    row.as_ref().map_or(Ok(State::default()), state)
}

/// The same, locked until the end of the transaction; a row that did not exist exists then.
pub(super) async fn lock(
    db: &Db,
    organization: &str,
    reconciler: Reconciler,
) -> Result<State, Failure> {
    let (organization, reconciler) = (text(organization), text(reconciler.as_str()));
    let insert = "INSERT INTO reconciler
            (organization, reconciler, number, leased_until, due_at, asked, changing, idle)
         VALUES ($1, $2, 0, 0, $3, 0, 0, 0)
         ON CONFLICT (lower(organization), reconciler) DO NOTHING";
    let select = format!(
        "SELECT {COLUMNS} FROM reconciler
         WHERE lower(organization) = lower($1) AND reconciler = $2 FOR UPDATE"
    );
    let never = Timestamp::NEVER.micros();
    let (_, row) = futures_util::future::try_join(
        db.execute(insert, params![organization, reconciler, never]),
        db.row(&select, params![organization, reconciler]),
    )
    .await?;
    row.as_ref().map_or(Ok(State::default()), state)
}

fn state(row: &Row) -> Result<State, Failure> {
    let last = match (get::<Option<String>>(row, 7)?, time_maybe(row, 8)?) {
        (Some(instance), Some(at)) => {
            let (has_more, problem) = (get(row, 10)?, get(row, 11)?);
            let outcome = Outcome { at, changes: count(row, 9)?, has_more, problem };
            Some(LastPass { instance, outcome })
        }
        _ => None,
    };
    Ok(State {
        number: get(row, 0)?,
        holder: get(row, 1)?,
        leased_until: time(row, 2)?,
        due_at: time(row, 3)?,
        asked: Asked::of_number(get(row, 4)?),
        repeats: Repeats { changing: count(row, 5)?, idle: count(row, 6)? },
        last,
    })
}

/// Stores a state that is locked.
pub(super) async fn save(
    db: &Db,
    organization: &str,
    reconciler: Reconciler,
    state: &State,
) -> Result<(), Failure> {
    let last = state.last.as_ref();
    let outcome = last.map(|last| &last.outcome);
    let problem = outcome.and_then(|outcome| outcome.problem.as_deref());
    let sql = "UPDATE reconciler SET number = $3, holder = $4, leased_until = $5, due_at = $6,
            asked = $7, changing = $8, idle = $9, last_instance = $10, last_at = $11,
            last_changes = $12, last_has_more = $13, last_problem = $14
         WHERE lower(organization) = lower($1) AND reconciler = $2";
    db.execute(
        sql,
        params![
            text(organization),
            text(reconciler.as_str()),
            state.number,
            state.holder.as_deref().map(text),
            state.leased_until.micros(),
            state.due_at.micros(),
            state.asked.number(),
            i64::from(state.repeats.changing),
            i64::from(state.repeats.idle),
            last.map(|last| text(&last.instance)),
            outcome.map(|outcome| outcome.at.micros()),
            outcome.map(|outcome| i64::from(outcome.changes)),
            outcome.map(|outcome| outcome.has_more),
            problem.map(text),
        ],
    )
    .await?;
    Ok(())
}
