//! Random actions on pull requests, drawn from a seed. Actions that start a commit of a pull
//! request a second time, such as reactivating it, are left out, since the tests check for single
//! starts.

use fakes::ado::{NewPullRequest, PullRequestState, World};
use fakes::ci::Behaviour;
use fakes::random::Random;

use crate::harness::Env;

/// People who work on pull requests.
pub(super) struct Team {
    random: Random,
    branches: u64,
}

impl Team {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random::seeded(seed), branches: 0 }
    }

    /// One action. The runs that it starts mostly succeed.
    pub(super) fn act(&mut self, env: &Env) {
        let behaviour = match self.random.below(8) {
            0 => Behaviour::Fail,
            1 => Behaviour::Error,
            2 => Behaviour::ReportTwice,
            3 => Behaviour::ContradictLate,
            _ => Behaviour::Succeed,
        };
        env.shell.ci(|ci| ci.set_default(behaviour));
        env.shell.ado(|ado| self.change(ado, &env.repository));
    }

    fn change(&mut self, ado: &mut World, repository: &str) {
        let is_active =
            |one: &&fakes::ado::model::PullRequest| one.state == PullRequestState::Active;
        let active: Vec<(u64, String)> = ado
            .pull_requests()
            .filter(is_active)
            .map(|one| (one.id, one.source_ref.clone()))
            .collect();
        let chosen = usize::try_from(self.random.below(active.len() as u64)).unwrap_or(0);
        let Some((id, branch)) = active.get(chosen) else { return self.open(ado, repository) };
        match self.random.below(100) {
            0..25 => self.open(ado, repository),
            25..65 => drop(ado.push(repository, branch, "More work")),
            65..75 => drop(ado.force_push(repository, branch, "Other work")),
            75..82 => ado.abandon(*id),
            82..90 => drop(ado.complete(*id)),
            90..95 => ado.edit_title(*id, "A better title"),
            _ => {
                let person = ado.actor().to_owned();
                ado.vote(*id, &person, 10);
            }
        }
    }

    fn open(&mut self, ado: &mut World, repository: &str) {
        self.branches += 1;
        let branch = format!("topic-{}", self.branches);
        ado.push(repository, &branch, "Work");
        ado.open_pull_request(&NewPullRequest::new(repository, &branch, "main"));
    }
}
