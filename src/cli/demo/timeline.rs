//! Prints every change of hooks, policies, deliveries, runs and statuses, with the time since the
//! start.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use fakes::ado::World;
use fakes::ado::model::Status;

use super::fake_systems::{FakeSystems, Hook};
use crate::cli::output::{coloured_line, say};
use crate::cli::table::painted;
use crate::domain::decision::{Outcome, Source};
use crate::domain::event::short;
use crate::domain::id::RunId;
use crate::domain::run::{Run, State};
use crate::storage::{DeliveryFilter, Page, RunFilter, Store};

/// More than the demo has of anything.
const ALL: Page = Page { limit: 500, before: None };

/// See the module. It holds what was printed last.
pub(super) struct Timeline<'a> {
    systems: &'a FakeSystems,
    store: Arc<dyn Store>,
    began: Instant,
    /// The number of the last printed delivery.
    delivery: i64,
    runs: HashMap<RunId, State>,
    /// By id.
    hooks: BTreeMap<String, Hook>,
    policies: BTreeSet<u64>,
    /// The number of statuses of each pull request and commit.
    statuses: HashMap<String, usize>,
}

impl<'a> Timeline<'a> {
    pub(super) fn begin(systems: &'a FakeSystems, store: &Arc<dyn Store>) -> Self {
        Self {
            systems,
            store: Arc::clone(store),
            began: Instant::now(),
            delivery: 0,
            runs: HashMap::new(),
            hooks: BTreeMap::new(),
            policies: BTreeSet::new(),
            statuses: HashMap::new(),
        }
    }

    /// Prints the heading of a step.
    pub(super) fn step(&self, heading: &str) {
        say!("\n{:7.3}s {heading}", self.began.elapsed().as_secs_f64());
    }

    /// Prints one change.
    pub(super) fn line(&self, kind: &str, change: &str) {
        let at_s = self.began.elapsed().as_secs_f64();
        coloured_line(&format!("{at_s:7.3}s   {kind:<9} {change}"));
    }

    /// Prints what has changed since the last update.
    pub(super) async fn update(&mut self) -> anyhow::Result<()> {
        self.update_hooks();
        self.update_policies();
        let deliveries = self.store.deliveries(DeliveryFilter::default(), ALL).await?;
        for delivery in deliveries.items.into_iter().rev() {
            let is_decided = delivery.outcome != Outcome::Pending;
            // In the order of their numbers: one that is not decided yet holds back later ones.
            if delivery.id.0 == self.delivery + 1 && is_decided {
                self.delivery = delivery.id.0;
                let is_found = delivery.source == Source::CatchUp;
                let kind = if is_found { "found" } else { "delivery" };
                self.line(kind, &format!("{}  {}", delivery.id, delivery.reason));
            }
        }
        let runs = self.store.runs(RunFilter::default(), ALL).await?;
        for run in runs.items.iter().rev() {
            if self.runs.insert(run.id, run.state) != Some(run.state) {
                self.line("run", &described(run));
            }
        }
        let repository = &self.systems.repository;
        for (target, lines) in self.systems.shell.ado(|ado| statuses(ado, repository)) {
            let printed = self.statuses.insert(target.clone(), lines.len()).unwrap_or(0);
            for line in lines.iter().skip(printed) {
                self.line("ADO shows", &format!("{target}  {line}"));
            }
        }
        Ok(())
    }

    fn update_hooks(&mut self) {
        let hooks = self.systems.hooks();
        let hooks: BTreeMap<_, _> = hooks.into_iter().map(|hook| (hook.id.clone(), hook)).collect();
        for (id, hook) in &hooks {
            let name = name(hook);
            match self.hooks.get(id) {
                None => self.line("hook", &format!("{name} created")),
                Some(before) if before.status != hook.status => {
                    self.line("hook", &format!("{name} {}", hook.status.name()));
                }
                Some(_) => {}
            }
        }
        for (_, removed) in self.hooks.iter().filter(|(id, _)| !hooks.contains_key(*id)) {
            self.line("hook", &format!("{} removed", name(removed)));
        }
        self.hooks = hooks;
    }

    fn update_policies(&mut self) {
        let policies: BTreeSet<u64> =
            self.systems.shell.ado(|ado| ado.policies().map(|policy| policy.id).collect());
        for id in policies.difference(&self.policies) {
            self.line("policy", &format!("{id} created: merging needs the required check"));
        }
        self.policies = policies;
    }
}

/// A hook as in `git.push (6ce954b1)`.
fn name(hook: &Hook) -> String {
    format!("{} ({})", hook.event_type, short(&hook.id))
}

fn described(run: &Run) -> String {
    let state = painted(run.state.as_str(), run.state.as_str());
    format!("{} of {} {state}: {}", run.check, short(&run.commit), run.reason)
}

/// Every status at Azure DevOps, by pull request and commit, in the order of posting.
fn statuses(ado: &World, repository: &str) -> Vec<(String, Vec<String>)> {
    let line = |status: &Status| {
        let description = status.description.as_deref().unwrap_or("");
        let iteration = status.iteration.map(|id| format!(", iteration {id}")).unwrap_or_default();
        let state = painted(&status.state, &status.state);
        let link = status.target_url.as_ref().map(|_| ", with a link").unwrap_or_default();
        format!("{}/{} {state} \"{description}\"{iteration}{link}", status.genre, status.name)
    };
    let pull_requests = ado.pull_requests().map(|pull_request| {
        let lines = pull_request.statuses.iter().map(line).collect();
        (format!("pull request {}", pull_request.id), lines)
    });
    let commits = ado.repository(repository).commits.values().map(|commit| {
        let lines = commit.statuses.iter().map(line).collect();
        (format!("commit {}", short(&commit.id)), lines)
    });
    pull_requests.chain(commits).collect()
}
