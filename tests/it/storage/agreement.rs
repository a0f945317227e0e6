//! Random sequences of operations: engine and model answer each operation alike and hold the same
//! contents afterwards. A failure is shrunk to the shortest sequence that shows it.

/// Carries an operation out on both.
mod apply;
/// Compares what both hold.
mod contents;
/// Both, and what operations choose from.
mod pair;
/// The operations on runs.
mod runs;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::Engine;
use pair::Pair;

/// One operation; numbers choose among what there is.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Accept {
        organization: bool,
        hook: usize,
        subscription: bool,
        notification: i64,
        event: u8,
        is_json: bool,
    },
    Replay {
        which: usize,
        request: i64,
    },
    ClaimDeliveries {
        limit: usize,
    },
    /// With `clash` a run is planned that exists already; with `off` the revision is wrong by one.
    Decide {
        which: usize,
        plan: usize,
        ended: Option<usize>,
        again: Option<usize>,
        remember: bool,
        off: bool,
        clash: bool,
    },
    ClaimRuns {
        limit: usize,
    },
    ClaimFollowed {
        limit: usize,
    },
    /// With `cancels` the CI of a run that has ended is to be told.
    Change {
        which: usize,
        state: usize,
        seconds: Option<i64>,
        cancels: bool,
    },
    Attempted {
        which: usize,
        state: usize,
        seconds: Option<i64>,
        cancels: bool,
    },
    Postpone {
        which: usize,
        seconds: i64,
    },
    PauseCi {
        account: u8,
        seconds: i64,
    },
    Rerun {
        which: usize,
        ends: bool,
    },
    Overdue,
    RunnerQueue,
    Queue {
        name: u8,
        state: usize,
    },
    ClaimSlots {
        limit: usize,
    },
    Posted {
        which: usize,
        posting: u8,
        seconds: i64,
    },
    MakeSlotsDue,
    Record {
        entries: usize,
    },
    Pass {
        seconds: i64,
    },
    DeleteOlder {
        seconds: i64,
        limit: usize,
    },
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let which = || 0..6_usize;
    let due = || prop::option::of(0..40_i64);
    prop_oneof![
        6 => (
            any::<bool>(),
            0..3_usize,
            any::<bool>(),
            100..108_i64,
            0..12_u8,
            prop::bool::weighted(0.9),
        ).prop_map(
            |(organization, hook, subscription, notification, event, is_json)| {
                Accept { organization, hook, subscription, notification, event, is_json }
            }
        ),
        1 => (which(), 100..108_i64).prop_map(|(which, request)| Replay { which, request }),
        4 => (1..5_usize).prop_map(|limit| ClaimDeliveries { limit }),
        8 => (
            which(),
            0..4_usize,
            prop::option::of(which()),
            prop::option::weighted(0.3, which()),
            any::<bool>(),
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.05),
        ).prop_map(
            |(which, plan, ended, again, remember, off, clash)| {
                Decide { which, plan, ended, again, remember, off, clash }
            }
        ),
        4 => (1..4_usize).prop_map(|limit| ClaimRuns { limit }),
        4 => (1..4_usize).prop_map(|limit| ClaimFollowed { limit }),
        4 => (which(), 0..9_usize, due(), any::<bool>()).prop_map(
            |(which, state, seconds, cancels)| Change { which, state, seconds, cancels }
        ),
        5 => (which(), 0..9_usize, due(), any::<bool>()).prop_map(
            |(which, state, seconds, cancels)| Attempted { which, state, seconds, cancels }
        ),
        3 => (which(), 0..40_i64).prop_map(|(which, seconds)| Postpone { which, seconds }),
        1 => (0..3_u8, -5..60_i64).prop_map(|(account, seconds)| PauseCi { account, seconds }),
        1 => (which(), any::<bool>()).prop_map(|(which, ends)| Rerun { which, ends }),
        1 => Just(Overdue),
        2 => Just(RunnerQueue),
        2 => (0..4_u8, 0..4_usize).prop_map(|(name, state)| Queue { name, state }),
        5 => (1..5_usize).prop_map(|limit| ClaimSlots { limit }),
        6 => (which(), 0..8_u8, 0..40_i64)
            .prop_map(|(which, posting, seconds)| Posted { which, posting, seconds }),
        1 => Just(MakeSlotsDue),
        1 => (0..4_usize).prop_map(|entries| Record { entries }),
        3 => (1..45_i64).prop_map(|seconds| Pass { seconds }),
        2 => (0..60_i64, 1..6_usize)
            .prop_map(|(seconds, limit)| DeleteOlder { seconds, limit }),
        1 => Just(Reopen),
    ]
}

/// How many sequences are tried, unless `AZDO_GATEWAY_SEQUENCES` says otherwise.
pub(super) fn sequences() -> u32 {
    let asked = std::env::var("AZDO_GATEWAY_SEQUENCES").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(256)
}

/// The seed of the sequences, unless `AZDO_GATEWAY_SEED` names another. Fixed, so that only a
/// change of the code makes the test fail.
pub(super) fn seed() -> u8 {
    let asked = std::env::var("AZDO_GATEWAY_SEED").ok();
    asked.and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

#[test]
fn sqlite_agrees_with_the_model() {
    agrees_with_the_model(Engine::Sqlite, 1, sequences());
}

/// Each sequence needs a database of its own, and each operation is sent to a server: fewer
/// sequences take as long.
#[test]
fn postgres_agrees_with_the_model() {
    agrees_with_the_model(Engine::Postgres, 1, sequences().div_ceil(24));
}

#[test]
fn two_processes_on_one_postgres_agree_with_the_model() {
    agrees_with_the_model(Engine::Postgres, 2, sequences().div_ceil(24));
}

/// Each operation is carried out by one of so many processes, and what it did is looked at by the
/// next one.
fn agrees_with_the_model(engine: Engine, processes: usize, cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sequence = prop::collection::vec((operation(), 0..processes), 1..80);
    let agrees = |operations: Vec<(Operation, usize)>| {
        runtime.block_on(async {
            let mut pair = Pair::of(engine, processes).await;
            for (operation, process) in operations {
                pair.act_as(process);
                pair = pair.apply(operation).await;
                pair.act_as_another();
                pair.compare().await;
            }
            // Otherwise their heartbeats go on beside the next sequence.
            pair.close().await;
        });
        Ok(())
    };
    let seed = seed();
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let outcome = TestRunner::new_with_rng(config, random).run(&sequence, agrees);
    let again = format!("{engine:?}, again with AZDO_GATEWAY_SEED={seed}");
    assert!(outcome.is_ok(), "{again}: {}", outcome.unwrap_err());
}
