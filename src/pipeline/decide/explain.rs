//! What would be decided about a delivery, offline.

use super::load::{new_id, without_runs};
use crate::ado::hooks::Delivered;
use crate::domain::check::Check;
use crate::domain::decision::{
    Decision, KnownPullRequest, KnownRef, Observation, Source, cis_of_build, on_build_completed,
    on_comment, on_pull_request, on_push,
};
use crate::domain::fact::Fact;
use crate::domain::question::Answers;
use crate::domain::time::Timestamp;

/// The decision about a delivery if nothing were known of its subject, and nobody could be asked;
/// for `explain`.
pub fn explain(
    checks: &[Check],
    organization: &str,
    delivered: &Delivered,
    now: Timestamp,
) -> Decision {
    let mut answers = Answers::default();
    loop {
        let decision = explain_with(checks, organization, delivered, &answers, now);
        if decision.questions.is_empty() {
            return decision;
        }
        answers.add_unknown(&decision.questions, "nobody is asked here");
    }
}

fn explain_with(
    checks: &[Check],
    organization: &str,
    delivered: &Delivered,
    answers: &Answers,
    now: Timestamp,
) -> Decision {
    let observation = Observation {
        organization,
        source: Source::Hook,
        at: delivered.created_at.unwrap_or(now),
        former_names: delivered.former_name.as_slice(),
        caught_up: None,
        answers,
    };
    match &delivered.fact {
        Fact::PullRequest(seen) => {
            let known = KnownPullRequest::default();
            on_pull_request(checks, &observation, seen, &known, &mut new_id, now)
        }
        Fact::Push(push) => {
            let known = vec![KnownRef::default(); push.updates.len()];
            on_push(checks, &observation, push, &known, &mut new_id, now)
        }
        Fact::Comment(comment) => {
            let known = KnownPullRequest::default();
            on_comment(checks, &observation, comment, &known, &mut new_id, now)
        }
        Fact::BuildCompleted(build) => {
            let cis = cis_of_build(checks, organization, build);
            on_build_completed(build, &cis, Vec::new())
        }
        fact => without_runs(fact, delivered),
    }
}
