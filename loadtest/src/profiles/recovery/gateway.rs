//! kill -9 of a gateway that is alone, which is started again at once.

use std::time::Instant;

use anyhow::{Context, ensure};

use super::{BACK_MAX, POLL, accepted_after, ms_between};
use crate::loaded_gateway::LoadedGateway;
use crate::metrics;
use crate::rounds::{Measurement, Rounds};
use crate::system::{Storage, System};
use crate::verdict::{Limit, Verdict};

const BACK_MS_MAX: f64 = 2_000.0;
/// Leases of a process on PostgreSQL are void when the others would have noticed its death.
const BACK_ON_POSTGRES_MS_MAX: f64 = 15_000.0;

/// Kills the gateway, starts it again and waits until it works. Times are in milliseconds since the
/// new process was started, but for the last, which counts from the signal.
pub(super) async fn kill(loaded: &mut LoadedGateway, pinned: bool) -> anyhow::Result<Measurement> {
    let addresses = loaded.replicas.addresses();
    let undecided = metrics::read(&addresses).await?.undecided;
    // Sent again at the end: a delivery that was acknowledged is not stored twice.
    loaded.note_recent();
    let killed = Instant::now();
    let server = loaded.replicas.all.first_mut().context("there is no gateway")?;
    server.kill();
    let begun = Instant::now();
    *server = loaded.gateway.start(0, pinned)?;
    let (mut ready, mut decided, mut accepted) = (None, None, None);
    while ready.is_none() || decided.is_none() || accepted.is_none() {
        ensure!(begun.elapsed() < BACK_MAX, "it was not back after {} s", BACK_MAX.as_secs());
        tokio::time::sleep(POLL).await;
        accepted = accepted.or_else(|| accepted_after(loaded, begun));
        if ready.is_none() {
            ready = loaded.replicas.is_ok("/readyz").await.then(Instant::now);
        } else if decided.is_none() {
            // The counter of a new process begins at zero.
            let now = metrics::read(&addresses).await?;
            let has_decided = now.decided > 0.5 || (undecided < 0.5 && now.undecided < 0.5);
            decided = has_decided.then(Instant::now);
        }
    }
    let died = ms_between(killed, begun);
    let since = |moment: Option<Instant>| moment.map_or(0.0, |moment| ms_between(begun, moment));
    let [accepted, ready, decided] = [accepted, ready, decided].map(since);
    let figures = [
        ("undecided", undecided),
        ("dead_after_ms", died),
        ("first_accept_ms", accepted),
        ("ready_ms", ready),
        ("first_decision_ms", decided),
        ("working_again_ms", died + accepted.max(ready).max(decided)),
    ];
    Ok(Measurement::new(subject(loaded.gateway.store.system), figures))
}

fn subject(system: System) -> String {
    format!("{system}, kill -9")
}

pub(super) fn verdicts(system: System, rounds: &Rounds) -> Vec<Verdict> {
    let most = match system.storage {
        Storage::Sqlite => BACK_MS_MAX,
        Storage::Postgres => BACK_ON_POSTGRES_MS_MAX,
    };
    let figure = |what: &str, figure, limit| {
        rounds.figure(format!("{system}: {what}"), &subject(system), figure, limit)
    };
    let back = |what: &str, name| figure(what, name, Limit::AtMost(most)).in_every_round();
    vec![
        back("kill -9 until all of it works again, always, ms", "working_again_ms"),
        back("start until the first 202, always, ms", "first_accept_ms"),
        back("start until ready, always, ms", "ready_ms"),
        back("start until the first decision, always, ms", "first_decision_ms"),
        figure("dead after, ms", "dead_after_ms", Limit::None),
        figure("undecided at the kill", "undecided", Limit::None),
    ]
}
