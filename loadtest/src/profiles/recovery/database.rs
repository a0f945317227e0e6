//! A crash of the database, which is started again at once; the gateway is not.

use std::time::Instant;

use anyhow::{Context, ensure};
use time::OffsetDateTime;

use super::{BACK_MAX, POLL, POLL_DATABASE, accepted_after, ms_between};
use crate::loaded_gateway::LoadedGateway;
use crate::rounds::{Measurement, Rounds};
use crate::system::System;
use crate::verdict::{Limit, Verdict};

/// Times are in milliseconds since the crash.
pub(super) async fn crash(loaded: &mut LoadedGateway) -> anyhow::Result<Measurement> {
    // Answers from before the crash are not counted.
    loaded.note(&loaded.deliveries.take_tally()?);
    loaded.note_recent();
    let postgres = loaded.gateway.store.postgres.as_mut().context("there is no database")?;
    let crashed = Instant::now();
    postgres.crash()?;
    let (dead, dead_at) = (Instant::now(), OffsetDateTime::now_utc());
    let recovering = postgres.restart()?;
    let (mut back, mut accepted, mut decided) = (None, None, None);
    let mut looked = Instant::now();
    while accepted.is_none() || decided.is_none() {
        ensure!(dead.elapsed() < BACK_MAX, "not back after {} s", BACK_MAX.as_secs());
        tokio::time::sleep(POLL).await;
        // Nobody can acknowledge anything between the death and the return.
        accepted = accepted.or_else(|| accepted_after(loaded, dead));
        if looked.elapsed() < POLL_DATABASE {
            continue;
        }
        looked = Instant::now();
        let postgres = loaded.gateway.store.postgres.as_mut().context("there is no database")?;
        if back.is_none() {
            back = postgres.is_back(&recovering)?.then(Instant::now);
        } else if decided.is_none() {
            let is_done = postgres.undecided_before(dead_at).await? == 0;
            decided = is_done.then(Instant::now);
        }
    }
    let since = |moment: Option<Instant>| moment.map_or(0.0, |moment| ms_between(crashed, moment));
    let tally = loaded.deliveries.take_tally()?;
    loaded.note(&tally);
    let [back, accepted, decided] = [back, accepted, decided].map(since);
    let figures = [
        ("dead_after_ms", ms_between(crashed, dead)),
        ("database_back_ms", back),
        ("first_accept_ms", accepted),
        ("accept_after_back_ms", (accepted - back).max(0.0)),
        ("longest_accept_ms", tally.latencies.at_ms(1.0)),
        ("earlier_decided_ms", decided),
    ];
    let mut measured = Measurement::new(subject(loaded.gateway.store.system), figures);
    measured.counts = tally.failures;
    Ok(measured)
}

fn subject(system: System) -> String {
    format!("{system}, crash of the database")
}

pub(super) fn verdicts(system: System, rounds: &Rounds) -> Vec<Verdict> {
    let shown = |what: &str, figure| {
        let what = format!("{system}, crash of the database: {what}");
        rounds.figure(what, &subject(system), figure, Limit::None).in_every_round()
    };
    vec![
        shown("until it takes connections again, ms", "database_back_ms"),
        shown("until the first 202, ms", "first_accept_ms"),
        shown("from its return until the first 202, ms", "accept_after_back_ms"),
        shown("longest time of an accept, repeats included, ms", "longest_accept_ms"),
        shown("until the deliveries of before the crash are decided, ms", "earlier_decided_ms"),
    ]
}
