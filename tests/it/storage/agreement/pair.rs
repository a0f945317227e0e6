//! An engine and the model beside it, and the leases and runs that operations choose from.

use std::collections::BTreeMap;
use std::sync::Arc;

use azdo_gateway::domain::id::{DeliveryId, RunId};
use azdo_gateway::domain::run::Run;
use azdo_gateway::storage::{Lease, LeasedSlot, Store};

use super::super::model::Model;
use super::super::{Bench, Engine};

/// The numbers of the rows of one kind. An engine may leave numbers out, the model does not.
#[derive(Default)]
pub(super) struct Numbers {
    of_model: BTreeMap<i64, i64>,
}

impl Numbers {
    /// Both numbers are of the same row, now and later.
    pub(super) fn are_same(&mut self, engine: i64, model: i64) {
        let known = self.of_model.insert(engine, model);
        assert!(known.is_none_or(|known| known == model), "{engine} is {known:?} and {model}");
    }

    /// The number in the model; -1 where the model has no such row.
    pub(super) fn of_model(&self, engine: i64) -> i64 {
        self.of_model.get(&engine).copied().unwrap_or(-1)
    }

    /// The number in the engine; one that is never given out where it has no such row.
    pub(super) fn of_engine(&self, model: i64) -> i64 {
        let found = self.of_model.iter().find(|(_, of_model)| **of_model == model);
        found.map_or(i64::MAX / 2 + model, |(engine, _)| *engine)
    }
}

/// See [`Numbers`].
#[derive(Default)]
pub(super) struct AllNumbers {
    pub(super) deliveries: Numbers,
    pub(super) runs: Numbers,
    pub(super) statuses: Numbers,
    pub(super) slots: Numbers,
    pub(super) audit: Numbers,
}

/// Both, and the leases and runs that earlier operations returned, with the numbers of the model;
/// slots have those of the engine.
pub(super) struct Pair {
    /// What each process has open.
    benches: Vec<Bench>,
    /// The process that carries out the present operation.
    process: usize,
    pub(super) model: Model,
    pub(super) numbers: AllNumbers,
    pub(super) second: i64,
    pub(super) runs_made: u128,
    pub(super) deliveries: Vec<Lease<DeliveryId>>,
    pub(super) runs: Vec<(Option<Lease<RunId>>, Run)>,
    pub(super) slots: Vec<LeasedSlot>,
}

/// One of the latest, so that some of the chosen values are still valid and some are not.
pub(super) fn pick<T: Clone>(from: &[T], which: usize) -> Option<T> {
    from.iter().rev().nth(which).or(from.last()).cloned()
}

impl Pair {
    /// The stores of so many processes at one location, which is empty.
    pub(super) async fn of(engine: Engine, processes: usize) -> Pair {
        let mut benches = vec![Bench::of(engine).await];
        while benches.len() < processes {
            benches.push(benches[0].replica().await);
        }
        Pair {
            benches,
            process: 0,
            model: Model::default(),
            numbers: AllNumbers::default(),
            second: 0,
            runs_made: 0,
            deliveries: Vec::new(),
            runs: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// What the process has open.
    pub(super) fn bench(&self) -> &Bench {
        &self.benches[self.process]
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.bench().store)
    }

    /// Lets this process carry out the next operations; a number that is too high wraps around.
    pub(super) fn act_as(&mut self, process: usize) {
        self.process = process % self.benches.len();
        self.model.process = self.process;
    }

    /// Another process, where there is one, carries out what comes next.
    pub(super) fn act_as_another(&mut self) {
        self.act_as(self.process + 1);
    }

    /// The present process closes its store and opens it again.
    pub(super) async fn reopen(&mut self) {
        let bench = self.benches.remove(self.process);
        self.benches.insert(self.process, bench.reopened().await);
        self.model.reopen();
    }

    /// Stops every process.
    pub(super) async fn close(self) {
        for bench in &self.benches {
            bench.close().await;
        }
    }

    /// A run of the engine with its number in the model.
    pub(super) fn run_of_model(&self, run: Run) -> Run {
        Run { number: self.numbers.runs.of_model(run.number), ..run }
    }

    /// A run of the model with its number in the engine.
    pub(super) fn run_of_engine(&self, run: Run) -> Run {
        Run { number: self.numbers.runs.of_engine(run.number), ..run }
    }

    /// Loads the newest runs.
    pub(super) fn load_runs(&mut self) {
        let newest = self.model.runs.values().rev().take(3).rev();
        self.runs.extend(newest.map(|row| (None, row.run.clone())));
    }
}
