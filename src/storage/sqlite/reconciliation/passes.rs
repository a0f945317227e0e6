//! The passes of reconcilers: one row for each organization and reconciler. What an operation does
//! to a row is decided by `domain::reconciler`.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::domain::reconciler::{Asked, LastPass, Outcome, Repeats, State};
use crate::storage::Reconciler;
use crate::storage::sqlite::engine::rows::{time, time_maybe};

/// A row that does not exist yet is the default.
pub(super) fn load(
    db: &Connection,
    organization: &str,
    reconciler: Reconciler,
) -> rusqlite::Result<State> {
    let state = db
        .prepare_cached(
            "SELECT number, holder, leased_until, due_at, asked, changing, idle,
                last_instance, last_at, last_changes, last_has_more, last_problem
             FROM reconciler WHERE organization = ?1 AND reconciler = ?2",
        )?
        .query_row([organization, reconciler.as_str()], state)
        .optional()?;
    Ok(state.unwrap_or_default())
}

fn state(row: &Row<'_>) -> rusqlite::Result<State> {
    let last = match (row.get::<_, Option<String>>(7)?, time_maybe(row, 8)?) {
        (Some(instance), Some(at)) => {
            let (changes, has_more, problem) = (row.get(9)?, row.get(10)?, row.get(11)?);
            Some(LastPass { instance, outcome: Outcome { at, changes, has_more, problem } })
        }
        _ => None,
    };
    Ok(State {
        number: row.get(0)?,
        holder: row.get(1)?,
        leased_until: time(row, 2)?,
        due_at: time(row, 3)?,
        asked: Asked::of_number(row.get(4)?),
        repeats: Repeats { changing: row.get(5)?, idle: row.get(6)? },
        last,
    })
}

pub(super) fn save(
    db: &Connection,
    organization: &str,
    reconciler: Reconciler,
    state: &State,
) -> rusqlite::Result<()> {
    let last = state.last.as_ref();
    let outcome = last.map(|last| &last.outcome);
    db.prepare_cached(
        "INSERT OR REPLACE INTO reconciler (organization, reconciler, number, holder,
            leased_until, due_at, asked, changing, idle,
            last_instance, last_at, last_changes, last_has_more, last_problem)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute(params![
        organization,
        reconciler.as_str(),
        state.number,
        state.holder,
        state.leased_until.micros(),
        state.due_at.micros(),
        state.asked.number(),
        state.repeats.changing,
        state.repeats.idle,
        last.map(|last| &last.instance),
        outcome.map(|outcome| outcome.at.micros()),
        outcome.map(|outcome| outcome.changes),
        outcome.map(|outcome| outcome.has_more),
        outcome.and_then(|outcome| outcome.problem.as_ref()),
    ])?;
    Ok(())
}
