//! A memory that carries out decisions, as the store does, and facts to deliver.

use uuid::Uuid;

pub(super) use super::super::super::check::tests::storefront as repository;
use super::super::super::check::tests::texts;
use super::super::super::check::{self, Patterns, Trigger};
use super::super::super::fact::{Push, RefUpdate};
use super::super::super::pull_request::PullRequest;
use super::super::*;

pub(super) const ORGANIZATION: &str = "contoso";

/// A moment, in seconds.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000 + seconds * 1_000)
}

/// A commit id of one character, repeated.
pub(super) fn sha(c: char) -> String {
    c.to_string().repeat(40)
}

pub(super) fn check(name: &str, on: &[Trigger]) -> Check {
    Check {
        name: name.into(),
        organization: ORGANIZATION.into(),
        repositories: Patterns::of_names(&texts(&["Webshop/*"])).unwrap(),
        on: on.to_vec(),
        target_branches: Patterns::of_branches(&texts(&["main"])).unwrap(),
        branches: Patterns::of_branches(&texts(&["**"])).unwrap(),
        ..check::tests::check()
    }
}

pub(super) fn pull_request() -> PullRequest {
    PullRequest {
        repository: repository(),
        id: 7,
        title: "Add search".into(),
        source_ref: "refs/heads/search".into(),
        target_ref: "refs/heads/main".into(),
        source_commit: Some(sha('a')),
        labels_known: true,
        ..PullRequest::default()
    }
}

/// A push of one branch; `.` stands for no object.
pub(super) fn push(push_id: Option<i64>, name: &str, old: char, new: char) -> Push {
    let object = |c: char| (c != '.').then(|| sha(c));
    Push {
        repository: repository(),
        push_id,
        pushed_at: None,
        updates: vec![RefUpdate { name: name.into(), old: object(old), new: object(new) }],
        messages: vec![],
    }
}

/// The circumstances of a fact.
pub(super) fn observation(
    source: Source,
    at: Timestamp,
    caught_up: Option<CaughtUp<'_>>,
) -> Observation<'_> {
    Observation {
        organization: ORGANIZATION,
        source,
        at,
        former_names: &[],
        caught_up,
        answers: Answers::none(),
    }
}

/// What is known, and what was planned and ended so far.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) checks: Vec<Check>,
    pub(super) remembered: Option<Remembered>,
    pub(super) refs: Vec<RememberedRef>,
    pub(super) runs: Vec<Run>,
    /// Runs of other pull requests.
    pub(super) elsewhere: Vec<Run>,
}

impl World {
    pub(super) fn of(checks: impl Into<Vec<Check>>) -> Self {
        Self { checks: checks.into(), ..Self::default() }
    }

    /// Decides about a pull request, without remembering it.
    pub(super) fn decide(&self, source: Source, when: Timestamp, seen: &PullRequest) -> Decision {
        self.decide_observed(&observation(source, when, None), seen)
    }

    /// The same, with whatever catch-up adds.
    pub(super) fn decide_observed(
        &self,
        observation: &Observation<'_>,
        seen: &PullRequest,
    ) -> Decision {
        let runs = self.runs.iter().filter(|run| run.pull_request.is_some()).cloned().collect();
        let known = KnownPullRequest {
            remembered: self.remembered.clone(),
            runs,
            elsewhere: self.elsewhere.clone(),
        };
        on_pull_request(
            &self.checks,
            observation,
            seen,
            &known,
            &mut self.next_id(),
            observation.at,
        )
    }

    /// Decides about a push, without remembering it.
    pub(super) fn decide_push(&self, source: Source, push: &Push) -> Decision {
        self.decide_push_observed(&observation(source, at(0), None), push)
    }

    /// The same, with whatever catch-up adds.
    pub(super) fn decide_push_observed(
        &self,
        observation: &Observation<'_>,
        push: &Push,
    ) -> Decision {
        let known: Vec<_> = push.updates.iter().map(|update| self.known(&update.name)).collect();
        on_push(&self.checks, observation, push, &known, &mut self.next_id(), at(0))
    }

    fn known(&self, name: &str) -> KnownRef {
        let of_ref = |run: &&Run| run.pull_request.is_none() && run.git_ref == name;
        KnownRef {
            remembered: self.refs.iter().find(|known| known.name == name).cloned(),
            runs: self.runs.iter().filter(of_ref).cloned().collect(),
        }
    }

    pub(super) fn next_id(&self) -> impl FnMut() -> RunId + use<> {
        let mut count = self.runs.len();
        move || {
            count += 1;
            RunId(Uuid::from_u128(count as u128))
        }
    }

    /// Does what a decision says.
    pub(super) fn commit(&mut self, decision: &Decision) {
        if let Some(remembered) = &decision.pull_request {
            self.remembered = Some(remembered.clone());
        }
        for observation in &decision.refs {
            self.refs.retain(|known| known.name != observation.name);
            self.refs.push(observation.clone());
        }
        for ended in &decision.ended {
            let run = self.runs.iter_mut().find(|run| run.id == ended.id);
            let run = run.expect("only known runs are ended");
            assert!(!run.state.is_final(), "{run:?} was final already");
            *run = ended.clone();
        }
        self.runs.extend(decision.planned.iter().cloned());
    }

    /// Tells a pull request by a hook.
    pub(super) fn deliver(&mut self, seconds: i64, seen: &PullRequest) -> Decision {
        let decision = self.decide(Source::Hook, at(seconds), seen);
        self.commit(&decision);
        decision
    }

    /// Tells a push by a hook.
    pub(super) fn deliver_push(&mut self, push: &Push) -> Decision {
        self.deliver_push_from(Source::Hook, push)
    }

    pub(super) fn deliver_push_from(&mut self, source: Source, push: &Push) -> Decision {
        let decision = self.decide_push(source, push);
        self.commit(&decision);
        decision
    }

    /// Puts every run that goes on into a state.
    pub(super) fn end_all(&mut self, state: State) {
        for run in self.runs.iter_mut().filter(|run| !run.state.is_final()) {
            run.state = state;
        }
    }

    pub(super) fn live(&self) -> Vec<&Run> {
        self.runs.iter().filter(|run| !run.state.is_final()).collect()
    }
}

/// Names and commits of runs, as `unit@a`.
pub(super) fn named<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Vec<String> {
    runs.into_iter().map(|run| format!("{}@{}", run.check, &run.commit[..1])).collect()
}
