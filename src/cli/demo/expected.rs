//! Compares what Azure DevOps has to show at the end with what it shows. Only Azure DevOps is
//! asked, because that is what people see.

use fakes::ado::model::Status;
use fakes::ado::pats::Pat;
use fakes::ado::{SubscriptionStatus, World};

use super::fake_systems::FakeSystems;
use crate::cli::output::say;
use crate::cli::table;
use crate::domain::event::short;

/// What a status is posted on.
#[derive(Clone, Debug)]
pub(super) enum Target {
    PullRequest { id: u64, commit: String },
    Commit(String),
}

/// A status that Azure DevOps has to show.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    target: Target,
    check: &'static str,
    pub(super) state: String,
}

impl Expected {
    pub(super) fn new(target: Target, check: &'static str, state: &str) -> Self {
        Self { target, check, state: state.to_owned() }
    }

    /// The state that Azure DevOps shows.
    pub(super) fn shown(&self, ado: &World, repository: &str) -> String {
        let newest = |statuses: &[Status], iteration: Option<u64>| {
            let is_it = |status: &&Status| {
                status.name == self.check && (iteration.is_none() || status.iteration == iteration)
            };
            statuses.iter().rev().find(is_it).map(|status| status.state.clone())
        };
        let found = match &self.target {
            Target::PullRequest { id, commit } => {
                let pull_request = ado.pull_request(*id);
                let is_of = |one: &&fakes::ado::model::Iteration| one.source == *commit;
                let iteration = pull_request.iterations.iter().rev().find(is_of);
                iteration.and_then(|one| newest(&pull_request.statuses, Some(one.id)))
            }
            Target::Commit(commit) => ado
                .repository(repository)
                .commits
                .get(commit)
                .and_then(|commit| newest(&commit.statuses, None)),
        };
        found.unwrap_or_else(|| "nothing".into())
    }
}

/// Prints the statuses as a table. Returns whether all are as expected.
pub(super) fn print_statuses(systems: &FakeSystems, expected: &[Expected]) -> bool {
    let row = |one: &Expected| {
        let shown = systems.shell.ado(|ado| one.shown(ado, &systems.repository));
        let target = match &one.target {
            Target::PullRequest { id, commit } => {
                format!("pull request {id} at {}", short(commit))
            }
            Target::Commit(commit) => format!("commit {}", short(commit)),
        };
        let verdict = if shown == one.state { "ok" } else { "WRONG" };
        vec![target, one.check.into(), one.state.clone(), shown, verdict.into()]
    };
    let rows: Vec<Vec<String>> = expected.iter().map(row).collect();
    say!("");
    table::print(&["where", "check", "expected", "Azure DevOps shows", ""], &rows);
    let wrong = rows.iter().filter(|row| row.last().is_some_and(|cell| cell != "ok")).count();
    let count = rows.len();
    match wrong {
        0 => say!("\nAll {count} statuses are as expected."),
        _ => say!("\n{wrong} of {count} statuses are not as expected."),
    }
    wrong == 0
}

/// Prints the events that hooks lost, the hooks and the policies. Returns whether they are right.
pub(super) fn print_hooks(systems: &FakeSystems) -> bool {
    let hooks = systems.hooks();
    let delivering = hooks.iter().filter(|hook| hook.status == SubscriptionStatus::Enabled).count();
    let lost = systems.shell.ado(|ado| ado.lost().len());
    let policies = systems.shell.ado(|ado| ado.policies().count());
    say!(
        "Events that Azure DevOps dropped: {lost}, found by catch-up. Hooks: {}, of which \
         {delivering} deliver. Policies: {policies}.",
        hooks.len()
    );
    lost > 0 && delivering == hooks.len() && policies == 1
}

/// Prints what became of the minted tokens. Returns whether each was used for one call at most and
/// is revoked.
pub(super) fn print_tokens(systems: &FakeSystems) -> bool {
    let (minted, used, twice, alive, violations) = systems.shell.ado(|ado| {
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
        "{minted} tokens were minted: {used} were used for one call each, {twice} for more, {} for \
         none; {alive} are still alive.",
        minted - used - twice
    );
    violations.iter().for_each(|violation| say!("WRONG: {violation}"));
    twice == 0 && alive == 0 && violations.is_empty()
}
