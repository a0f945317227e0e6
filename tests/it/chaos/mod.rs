//! Seeded faults at Azure DevOps, Entra and the CI, then none: nothing is lost or doubled, and
//! everything becomes final.
//!
//! Each seed has fakes and a whole gateway of its own: people act, deliveries come late, twice and
//! out of order, and calls fail in every way. Then the faults end, and all statuses have to become
//! right without help. In odd seeds the gateway is a linked user and mints a token for each call;
//! at the end no token is active any more.

/// Which statuses there have to be at the end.
mod convergence;
/// The faults of the fakes.
mod faults;
/// Random actions of people.
mod people;
/// The state of the minted tokens at the end.
mod tokens;

use std::time::{Duration, Instant};

use fakes::random::Random;
use futures_util::StreamExt;

use crate::harness::{Env, Gateway, Settings, check_invariants_with_rebuilds};
use convergence::Convergence;
use people::People;

/// Seeds at the same time: each mostly waits.
const SEEDS_AT_ONCE: usize = 12;
const ACTIONS: usize = 30;
/// How long convergence may take after the faults ended: several times the longest backoff of an
/// attempt that failed a few times, or twice the 30 seconds after which a status without a token is
/// tried again.
const CONVERGENCE_MAX: Duration = Duration::from_secs(90);

/// Counts of one seed.
#[derive(Default)]
struct Tally {
    actions: usize,
    deliveries: usize,
    starts: usize,
    statuses: usize,
    faults: usize,
    minted: usize,
}

const CHECKS: &str = r#"
[[check]]
name = "unit-tests"
genre = "ci"
organization = "fabrikam"
repositories = ["Fabrikam/*"]
on = ["pull_request", "push"]
target_branches = ["main", "release/*"]
branches = ["main"]
statuses = ["pull_request", "commit"]
ci = "builder"
[[check]]
name = "lint"
genre = "ci"
organization = "fabrikam"
repositories = ["Fabrikam/web"]
on = ["pull_request"]
target_branches = ["main"]
statuses = ["pull_request"]
drafts = true
concurrency = 2
ci = "builder"
"#;

/// The seeds to run: `AZDO_GATEWAY_SEED` names one, `AZDO_GATEWAY_SEEDS` says how many.
fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("AZDO_GATEWAY_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("AZDO_GATEWAY_SEEDS").unwrap_or(48)).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_statuses_become_right_after_any_faults() {
    let began = Instant::now();
    let (seeds, mut all, mut failed) = (seeds(), Tally::default(), Vec::new());
    let played = seeds.iter().map(|seed| async move { (seed, tokio::spawn(play(*seed)).await) });
    let mut played = futures_util::stream::iter(played).buffer_unordered(SEEDS_AT_ONCE);
    while let Some((seed, tally)) = played.next().await {
        let Ok(tally) = tally else {
            failed.push(seed);
            continue;
        };
        all.actions += tally.actions;
        all.deliveries += tally.deliveries;
        all.starts += tally.starts;
        all.statuses += tally.statuses;
        all.faults += tally.faults;
        all.minted += tally.minted;
    }
    let Tally { actions, deliveries, starts, statuses, faults, minted } = all;
    println!(
        "{} seeds in {:?}: {actions} actions, {deliveries} deliveries, {starts} runs started, \
         {statuses} statuses posted, {minted} tokens minted, {faults} faults",
        seeds.len(),
        began.elapsed(),
    );
    failed.sort();
    assert!(failed.is_empty(), "run again with AZDO_GATEWAY_SEED set to one of {failed:?}");
}

async fn play(seed: u64) -> Tally {
    let mut random = Random::seeded(seed ^ 0x00C4_A050);
    let env = Env::new(seed);
    let is_linked = seed % 2 == 1;
    let checks = |settings: &mut Settings| CHECKS.clone_into(&mut settings.checks);
    let gateway = match is_linked {
        true => env.linked(checks).await,
        false => Gateway::start_with(&env, checks).await,
    };
    faults::inject(&env, &mut random);
    if is_linked {
        faults::inject_for_linked(&env, &mut random);
    }
    let mut people = People::new(&env);
    for _ in 0..ACTIONS {
        people.act(&mut random).await;
    }
    faults::clear(&env);
    env.until_delivered().await;
    let convergence = Convergence { seed, env: &env, gateway: &gateway };
    convergence.wait(CONVERGENCE_MAX).await;
    let tally = env.shell.ado(|ado| {
        env.shell.ci(|ci| {
            check_invariants_with_rebuilds(ado, ci);
            convergence::check_start_counts(ado, ci, &people);
            let posts = ado.journal.entries().filter(|one| one.target.contains("/statuses"));
            let requests = ado.journal.entries().chain(ci.journal.entries());
            Tally {
                actions: ACTIONS,
                deliveries: faults::deliveries(ado),
                starts: ci.starts(),
                statuses: posts.filter(|one| one.method == "POST").count(),
                faults: requests.filter(|one| one.fault.is_some()).count(),
                minted: ado.pats().len(),
            }
        })
    });
    gateway.stop().await;
    tokens::check_revoked(&env).await;
    tally
}
