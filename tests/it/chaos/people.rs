//! Random actions of people, drawn from a seed: open, push, force-push, retarget, draft,
//! publish, abandon, reactivate, vote, edit, complete, and pushes without a pull request.
//!
//! A delivery holds the state of a pull request at the time when it is made, so a change that is
//! reverted before its delivery is in no delivery. Actions that revert something therefore wait for
//! all deliveries; others happen at any time.

use std::collections::BTreeMap;
use std::time::Duration;

use fakes::ado::NewPullRequest;
use fakes::ado::model::PullRequestState;
use fakes::random::Random;

use crate::harness::Env;

const PULL_REQUESTS_MAX: usize = 5;
const TARGETS: [&str; 3] = ["main", "release/1", "experiment"];

/// All people who act in one environment.
pub(super) struct People<'a> {
    env: &'a Env,
    /// Pull requests and their branches.
    opened: Vec<(u64, String)>,
    /// How often an obstacle to a run was removed, by pull request.
    pub(super) renewals: BTreeMap<u64, usize>,
    made: usize,
}

impl<'a> People<'a> {
    pub(super) fn new(env: &'a Env) -> Self {
        env.shell.ado(|ado| {
            for branch in ["release/1", "experiment"] {
                ado.push(&env.repository, branch, "Branch off");
            }
        });
        Self { env, opened: Vec::new(), renewals: BTreeMap::new(), made: 0 }
    }

    /// One action, after a short random pause.
    pub(super) async fn act(&mut self, random: &mut Random) {
        let pause = Duration::from_millis(2 + random.below(40));
        let mut pacing = tokio::time::interval_at(tokio::time::Instant::now() + pause, pause);
        pacing.tick().await;
        if self.opened.len() < 2 || (random.happens(15) && self.opened.len() < PULL_REQUESTS_MAX) {
            return self.open(random);
        }
        if random.happens(20) {
            return self.push_elsewhere(random);
        }
        let at = usize::try_from(random.below(self.opened.len() as u64)).unwrap_or(0);
        let Some((id, branch)) = self.opened.get(at).cloned() else { return };
        match self.env.shell.ado(|ado| ado.pull_request(id).state) {
            PullRequestState::Active => self.change(id, &branch, random).await,
            PullRequestState::Abandoned => {
                self.env.until_delivered().await;
                *self.renewals.entry(id).or_default() += 1;
                self.env.shell.ado(|ado| ado.reactivate(id));
            }
            PullRequestState::Completed => {
                let repository = &self.env.repository;
                self.env.shell.ado(|ado| {
                    if ado.head(repository, &branch).is_some() {
                        ado.delete_branch(repository, &branch);
                    }
                });
            }
        }
    }

    fn open(&mut self, random: &mut Random) {
        self.made += 1;
        let branch = format!("feature/{}", self.made);
        let is_draft = random.happens(20);
        let id = self.env.shell.ado(|ado| {
            ado.push(&self.env.repository, &branch, "Work");
            let new = NewPullRequest::new(&self.env.repository, &branch, "main");
            ado.open_pull_request(&if is_draft { new.draft() } else { new })
        });
        self.opened.push((id, branch));
    }

    /// A push without a pull request: to main, with a tag, or to a branch that is deleted at once.
    fn push_elsewhere(&mut self, random: &mut Random) {
        self.made += 1;
        let (repository, name) = (&self.env.repository, format!("thing-{}", self.made));
        self.env.shell.ado(|ado| match random.below(4) {
            0 | 1 => drop(ado.push(repository, "main", "Straight to main")),
            2 => {
                let commit = ado.push(repository, &name, "Nothing to merge");
                ado.create_tag(repository, &name, &commit);
            }
            _ => {
                ado.push(repository, &name, "Deleted at once");
                ado.delete_branch(repository, &name);
            }
        });
    }

    async fn change(&mut self, id: u64, branch: &str, random: &mut Random) {
        let (env, repository) = (self.env, &self.env.repository);
        match random.below(14) {
            0..=3 => drop(env.push(branch)),
            4 => drop(env.shell.ado(|ado| ado.force_push(repository, branch, "Start over"))),
            5 => self.force_back(id, branch, random).await,
            6 | 7 => {
                env.until_delivered().await;
                let at = usize::try_from(random.below(TARGETS.len() as u64)).unwrap_or(0);
                let target = TARGETS.get(at).copied().unwrap_or("main");
                env.shell.ado(|ado| {
                    let is_other = !ado.pull_request(id).target_ref.ends_with(target);
                    is_other.then(|| ado.retarget(id, target))
                });
            }
            8 | 9 => {
                env.until_delivered().await;
                let was_draft = env.shell.ado(|ado| {
                    let is_draft = ado.pull_request(id).is_draft;
                    if is_draft {
                        ado.publish(id)
                    } else {
                        ado.set_draft(id)
                    }
                    is_draft
                });
                *self.renewals.entry(id).or_default() += usize::from(was_draft);
            }
            10 => env.shell.ado(|ado| ado.abandon(id)),
            11 => env.shell.ado(|ado| ado.vote(id, &env.identity, 10)),
            12 => {
                self.made += 1;
                let title = format!("Better title {}", self.made);
                env.shell.ado(|ado| ado.edit_title(id, &title));
            }
            _ => drop(env.shell.ado(|ado| ado.complete(id))),
        }
    }

    /// Force-pushes the branch back to an earlier head of the pull request.
    async fn force_back(&self, id: u64, branch: &str, random: &mut Random) {
        self.env.until_delivered().await;
        self.env.shell.ado(|ado| {
            let iterations = &ado.pull_request(id).iterations;
            let at = usize::try_from(random.below(iterations.len() as u64)).unwrap_or(0);
            let before = iterations.get(at).map(|one| one.source.clone()).unwrap_or_default();
            if ado.head(&self.env.repository, branch) != Some(before.as_str()) {
                ado.force_push_to(&self.env.repository, branch, &before);
            }
        });
    }
}
