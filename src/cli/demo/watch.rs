//! Shows the life of each hook, delivery, run and status as it happens. It must never change
//! anything.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use fakes::ado::World;
use fakes::ado::model::Status;

use super::neighbours::{Hook, Neighbours};
use crate::app::App;
use crate::cli::output::say;
use crate::cli::table::painted;
use crate::domain::decision::{Outcome, Source};
use crate::domain::event::short;
use crate::domain::id::RunId;
use crate::domain::run::{Run, State};
use crate::storage::{DeliveryFilter, Page, RunFilter};

/// More than the demo has of anything.
const ALL: Page = Page { limit: 500, before: None };

/// What was shown already.
pub(super) struct Watch {
    began: Instant,
    delivery: i64,
    runs: HashMap<RunId, State>,
    /// As last seen, by id.
    hooks: BTreeMap<String, Hook>,
    policies: BTreeSet<u64>,
    /// How many statuses of each place.
    statuses: HashMap<String, usize>,
}

impl Watch {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            delivery: 0,
            runs: HashMap::new(),
            hooks: BTreeMap::new(),
            policies: BTreeSet::new(),
            statuses: HashMap::new(),
        }
    }

    /// A line of the story.
    pub(super) fn say(&self, line: &str) {
        say!("\n{:7.3}s {line}", self.began.elapsed().as_secs_f64());
    }

    /// A line of what happens.
    pub(super) fn print(&self, kind: &str, line: &str) {
        say!("{:7.3}s   {kind:<9} {line}", self.began.elapsed().as_secs_f64());
    }

    /// Prints what is new since the last look.
    pub(super) async fn look(&mut self, neighbours: &Neighbours, app: &App) -> anyhow::Result<()> {
        self.look_at_hooks(neighbours);
        self.look_at_policies(neighbours);
        let deliveries = app.store().deliveries(DeliveryFilter::default(), ALL).await?;
        for delivery in deliveries.items.into_iter().rev() {
            let is_decided = delivery.outcome != Outcome::Pending;
            if delivery.id.0 == self.delivery + 1 && is_decided {
                self.delivery = delivery.id.0;
                let kind = match delivery.source {
                    Source::CatchUp => "found",
                    _ => "delivery",
                };
                self.print(kind, &format!("{}  {}", delivery.id, delivery.reason));
            }
        }
        let runs = app.store().runs(RunFilter::default(), ALL).await?;
        for run in runs.items.iter().rev() {
            if self.runs.insert(run.id, run.state) != Some(run.state) {
                self.print("run", &told(run));
            }
        }
        for (place, lines) in neighbours.shell.ado(|ado| shown(ado, &neighbours.repository)) {
            let seen = self.statuses.insert(place.clone(), lines.len()).unwrap_or(0);
            for line in lines.iter().skip(seen) {
                self.print("ADO shows", &format!("{place}  {line}"));
            }
        }
        Ok(())
    }

    fn look_at_hooks(&mut self, neighbours: &Neighbours) {
        let there = neighbours.hooks();
        let there: BTreeMap<_, _> = there.into_iter().map(|hook| (hook.id.clone(), hook)).collect();
        for (id, hook) in &there {
            let name = called(hook);
            match self.hooks.get(id) {
                None => self.print("hook", &format!("{name} created")),
                Some(before) if before.status != hook.status => {
                    self.print("hook", &format!("{name} {}", hook.status.name()));
                }
                Some(_) => {}
            }
        }
        for (_, gone) in self.hooks.iter().filter(|(id, _)| !there.contains_key(*id)) {
            self.print("hook", &format!("{} removed", called(gone)));
        }
        self.hooks = there;
    }

    fn look_at_policies(&mut self, neighbours: &Neighbours) {
        let there: BTreeSet<u64> =
            neighbours.shell.ado(|ado| ado.policies().map(|policy| policy.id).collect());
        for id in there.difference(&self.policies) {
            self.print("policy", &format!("{id} created: merging waits for a required check"));
        }
        self.policies = there;
    }
}

/// `git.push (6ce954b1)`.
fn called(hook: &Hook) -> String {
    format!("{} ({})", hook.event_type, short(&hook.id))
}

fn told(run: &Run) -> String {
    let state = painted(run.state.as_str(), run.state.as_str());
    format!("{} of {} {state}: {}", run.check, short(&run.commit), run.reason)
}

/// Every status that Azure DevOps has, by place, in the order of posting.
fn shown(ado: &World, repository: &str) -> Vec<(String, Vec<String>)> {
    let line = |status: &Status| {
        let words = status.description.as_deref().unwrap_or("");
        let iteration = status.iteration.map(|id| format!(", iteration {id}")).unwrap_or_default();
        let state = painted(&status.state, &status.state);
        let link = status.target_url.as_ref().map(|_| ", with a link").unwrap_or_default();
        format!("{}/{} {state} \"{words}\"{iteration}{link}", status.genre, status.name)
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
