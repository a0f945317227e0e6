//! Random sequences of keeping, taking in, dying and starting again: whatever was answered is
//! stored once and in order. A failure is shrunk to the shortest sequence that shows it.

use azdo_gateway::storage::{Arrived, TakeIn};
use futures_util::poll;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::intake::{receive, stored, take_in, to_take_in};
use super::{Bench, Engine};

#[derive(Clone, Debug)]
enum Step {
    Receive {
        count: i64,
        bytes: usize,
    },
    TakeIn {
        limit: usize,
    },
    /// Whoever asks does not hear the answer.
    TakeInUnheard {
        limit: usize,
    },
    /// What was read before is taken in after others did.
    TakeInLate {
        limit: usize,
    },
    /// The process ends without a word.
    Die,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let limit = || 1..12_usize;
    let bytes = prop_oneof![8 => 0..3_000_usize, 1 => Just(5_000_000)];
    prop_oneof![
        6 => (1..8_i64, bytes).prop_map(|(count, bytes)| Step::Receive { count, bytes }),
        4 => limit().prop_map(|limit| Step::TakeIn { limit }),
        2 => limit().prop_map(|limit| Step::TakeInUnheard { limit }),
        2 => limit().prop_map(|limit| Step::TakeInLate { limit }),
        1 => Just(Step::Die),
        1 => Just(Step::Reopen),
    ]
}

/// A store, and what the model knows of it: numbers are given out one after the other.
struct World {
    bench: Bench,
    answered: i64,
}

impl World {
    async fn after(mut self, step: Step) -> Self {
        let store = &*self.bench.store;
        match step {
            Step::Receive { count, bytes } => {
                for _ in 0..count {
                    receive(store, self.answered, bytes).await;
                    self.answered += 1;
                }
            }
            Step::TakeIn { limit } => drop(take_in(store, limit).await),
            Step::TakeInUnheard { limit } => {
                let arrived = to_take_in(store.arrived(limit).await.unwrap());
                if !arrived.deliveries.is_empty() {
                    let mut taking = std::pin::pin!(store.take_in(arrived));
                    drop(poll!(&mut taking));
                }
            }
            Step::TakeInLate { limit } => {
                let Arrived { deliveries, from, upto } = store.arrived(limit).await.unwrap();
                let early = take_in(store, 3).await;
                let late = to_take_in(Arrived { deliveries, from, upto });
                let TakeIn { from, upto, .. } = late;
                if from != upto {
                    let taken = store.take_in(late).await.unwrap();
                    assert!(taken.is_none() || early == 0, "it was taken in twice");
                }
            }
            Step::Die => self.bench = self.bench.died(),
            Step::Reopen => self.bench = self.bench.reopened().await,
        }
        self
    }

    async fn check(self) {
        let store = &*self.bench.store;
        let waiting = store.backlog().await.unwrap().undecided;
        assert!(waiting >= self.answered.unsigned_abs(), "{waiting} of {}", self.answered);
        while take_in(store, 50).await > 0 {}
        assert_eq!(stored(store).await, (0..self.answered).collect::<Vec<_>>());
        let waiting = store.backlog().await.unwrap().undecided;
        assert_eq!(waiting, self.answered.unsigned_abs(), "nothing waits but what is there");
    }
}

#[test]
fn whatever_was_answered_is_stored_once_and_in_order() {
    for engine in Engine::ALL {
        let config = ProptestConfig {
            cases: super::agreement::sequences() / 8,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let sequence = prop::collection::vec(step(), 1..30);
        let holds = |steps: Vec<Step>| {
            runtime.block_on(async {
                let mut world = World { bench: Bench::of(engine), answered: 0 };
                for step in steps {
                    world = world.after(step).await;
                }
                world.check().await;
            });
            Ok(())
        };
        let seed = super::agreement::seed();
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        let outcome = TestRunner::new_with_rng(config, random).run(&sequence, holds);
        let again = format!("{engine:?}, again with AZDO_GATEWAY_SEED={seed}");
        assert!(outcome.is_ok(), "{again}: {}", outcome.unwrap_err());
    }
}
