//! kill -9 of one of several replicas: the others go on. It is started again when they have decided
//! what it had left.

use std::time::Instant;

use anyhow::{Context, ensure};
use time::OffsetDateTime;

use super::{BACK_MAX, POLL, POLL_DATABASE, accepted_after, ms_between};
use crate::loaded_gateway::LoadedGateway;
use crate::rounds::{Measurement, Rounds};
use crate::system::System;
use crate::verdict::{Limit, Verdict};

const TAKEN_OVER_MS_MAX: f64 = 15_000.0;

/// Times are in milliseconds since the signal, but for that of the new process until it is ready.
pub(super) async fn kill(
    loaded: &mut LoadedGateway,
    victim: usize,
    pinned: bool,
) -> anyhow::Result<Measurement> {
    // Answers from before the kill are not counted.
    loaded.note(&loaded.deliveries.take_tally()?);
    loaded.note_recent();
    let server = loaded.replicas.all.get_mut(victim).context("there is no such replica")?;
    let killed = Instant::now();
    server.kill();
    let dead_at = OffsetDateTime::now_utc();
    let postgres = loaded.gateway.store.postgres.as_ref().context("there is no database")?;
    let undecided = postgres.undecided_before(dead_at).await?;
    let (mut accepted, mut taken_over, mut asked) = (None, None, Instant::now());
    while accepted.is_none() || taken_over.is_none() {
        ensure!(killed.elapsed() < BACK_MAX, "not taken over after {} s", BACK_MAX.as_secs());
        tokio::time::sleep(POLL).await;
        accepted = accepted.or_else(|| accepted_after(loaded, killed));
        if taken_over.is_none() && asked.elapsed() >= POLL_DATABASE {
            let is_done = postgres.undecided_before(dead_at).await? == 0;
            (taken_over, asked) = (is_done.then(Instant::now), Instant::now());
        }
    }
    let begun = Instant::now();
    let mut server = loaded.gateway.start(victim, pinned)?;
    server.wait_for("/readyz").await?;
    let back_ms = begun.elapsed().as_secs_f64() * 1e3;
    if let Some(place) = loaded.replicas.all.get_mut(victim) {
        *place = server;
    }
    let since = |moment: Option<Instant>| moment.map_or(0.0, |moment| ms_between(killed, moment));
    let tally = loaded.deliveries.take_tally()?;
    loaded.note(&tally);
    let figures = [
        ("undecided", undecided as f64),
        ("first_accept_ms", since(accepted)),
        ("longest_accept_ms", tally.latencies.at_ms(1.0)),
        ("taken_over_ms", since(taken_over)),
        ("ready_again_ms", back_ms),
    ];
    let mut measured = Measurement::new(subject(loaded.gateway.store.system), figures);
    measured.counts = tally.failures;
    Ok(measured)
}

fn subject(system: System) -> String {
    format!("{system}, kill -9 of one")
}

pub(super) fn verdicts(system: System, rounds: &Rounds) -> Vec<Verdict> {
    let figure = |what: &str, figure, limit| {
        rounds.figure(format!("{system}: {what}"), &subject(system), figure, limit)
    };
    let shown = |what: &str, name| figure(what, name, Limit::None).in_every_round();
    let limit = Limit::AtMost(TAKEN_OVER_MS_MAX);
    vec![
        figure(
            "kill -9 of one until the others decided its work, always, ms",
            "taken_over_ms",
            limit,
        )
        .in_every_round(),
        shown("kill -9 of one until the next 202, ms", "first_accept_ms"),
        shown("longest time of an accept meanwhile, repeats included, ms", "longest_accept_ms"),
        shown("start of the new process until ready, ms", "ready_again_ms"),
        shown("undecided at the kill", "undecided"),
    ]
}
