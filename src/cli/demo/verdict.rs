//! What Azure DevOps should show, what it shows, and whether that is the same. It must never ask
//! the gateway: only what people see at Azure DevOps counts.

use fakes::ado::model::Status;
use fakes::ado::pats::Pat;
use fakes::ado::{SubscriptionStatus, World};

use super::neighbours::Neighbours;
use crate::cli::output::say;
use crate::cli::table;
use crate::domain::event::short;

/// Where a status is looked for.
#[derive(Clone, Debug)]
pub(super) enum Place {
    PullRequest { id: u64, commit: String },
    Commit(String),
}

/// A status that has to be there in the end.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    place: Place,
    check: &'static str,
    pub(super) state: String,
}

impl Expected {
    pub(super) fn new(place: Place, check: &'static str, state: &str) -> Self {
        Self { place, check, state: state.to_owned() }
    }

    /// The state that Azure DevOps shows there.
    pub(super) fn shown(&self, ado: &World, repository: &str) -> String {
        let newest = |statuses: &[Status], iteration: Option<u64>| {
            let ours = |status: &&Status| {
                status.name == self.check && (iteration.is_none() || status.iteration == iteration)
            };
            statuses.iter().rev().find(ours).map(|status| status.state.clone())
        };
        let found = match &self.place {
            Place::PullRequest { id, commit } => {
                let pull_request = ado.pull_request(*id);
                let is_of = |one: &&fakes::ado::model::Iteration| one.source == *commit;
                let iteration = pull_request.iterations.iter().rev().find(is_of);
                iteration.and_then(|one| newest(&pull_request.statuses, Some(one.id)))
            }
            Place::Commit(commit) => ado
                .repository(repository)
                .commits
                .get(commit)
                .and_then(|commit| newest(&commit.statuses, None)),
        };
        found.unwrap_or_else(|| "nothing".into())
    }
}

/// The table at the end; true when everything is as it should be.
pub(super) fn print(neighbours: &Neighbours, expected: &[Expected]) -> bool {
    let row = |one: &Expected| {
        let shown = neighbours.shell.ado(|ado| one.shown(ado, &neighbours.repository));
        let place = match &one.place {
            Place::PullRequest { id, commit } => {
                format!("pull request {id} at {}", short(commit))
            }
            Place::Commit(commit) => format!("commit {}", short(commit)),
        };
        let verdict = if shown == one.state { "ok" } else { "WRONG" };
        vec![place, one.check.into(), one.state.clone(), shown, verdict.into()]
    };
    let rows: Vec<Vec<String>> = expected.iter().map(row).collect();
    say!("");
    table::print(&["where", "check", "expected", "Azure DevOps shows", ""], &rows);
    let wrong = rows.iter().filter(|row| row.last().is_some_and(|cell| cell != "ok")).count();
    let count = rows.len();
    match wrong {
        0 => say!("\nAll {count} statuses are what they should be."),
        _ => say!("\n{wrong} of {count} statuses are not what they should be."),
    }
    wrong == 0
}

/// Whether something was lost, and every hook delivers all the same.
pub(super) fn print_hooks(neighbours: &Neighbours) -> bool {
    let hooks = neighbours.hooks();
    let delivering = hooks.iter().filter(|hook| hook.status == SubscriptionStatus::Enabled).count();
    let lost = neighbours.shell.ado(|ado| ado.lost().len());
    let policies = neighbours.shell.ado(|ado| ado.policies().count());
    say!(
        "Events that Azure DevOps lost: {lost}, made up for by catch-up. Hooks: {}, of which \
         {delivering} deliver. Policies: {policies}.",
        hooks.len()
    );
    lost > 0 && delivering == hooks.len() && policies == 1
}

/// What became of the tokens that the gateway minted; true when each was good for one call.
pub(super) fn print_tokens(neighbours: &Neighbours) -> bool {
    let (minted, used, twice, alive, violations) = neighbours.shell.ado(|ado| {
        let count = |is: fn(&Pat) -> bool| ado.pats().iter().filter(|pat| is(pat)).count();
        (
            ado.pats().len(),
            count(|pat| pat.used == 1),
            count(|pat| pat.used > 1),
            ado.active_pats().count(),
            ado.violations().to_vec(),
        )
    });
    say!(
        "{minted} tokens were minted: {used} spent on one call each, {twice} on more, {} minted \
         ahead and not needed; {alive} are still alive.",
        minted - used - twice
    );
    violations.iter().for_each(|violation| say!("WRONG: {violation}"));
    twice == 0 && alive == 0 && violations.is_empty()
}
