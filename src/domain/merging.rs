//! What merging a pull request waits for, as far as the gateway knows: its required checks.
//! Policies of others are not known here.

use super::check::{Check, Trigger};
use super::check_outcome::CheckOutcome;
use super::event::short;
use super::pull_request::{PullRequest, Status};
use super::run::{Run, State};

/// The checks of a pull request, by whether merging waits for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merging {
    /// Required ones that have not succeeded on the head, and how far each is.
    pub waits_for: Vec<String>,
    /// Required ones that have succeeded, or need not run.
    pub fulfilled: Vec<String>,
    pub not_required: Vec<String>,
}

impl Merging {
    /// Whether any check of ours is about the pull request.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What merging waits for. Nothing where the pull request is closed. `of_check` gives the newest
/// run on the head, and why there is none.
pub fn merging<'k>(
    checks: &[Check],
    organization: &str,
    former_names: &[String],
    pull_request: &PullRequest,
    of_check: impl Fn(&str) -> (Option<&'k Run>, Option<&'k CheckOutcome>),
) -> Merging {
    let mut merging = Merging::default();
    if pull_request.status != Status::Active {
        return merging;
    }
    let repository = &pull_request.repository;
    let watches = |check: &&Check| {
        check.is_on(Trigger::PullRequest) && check.watches(organization, repository, former_names)
    };
    for check in checks.iter().filter(watches) {
        let name = check.name.clone();
        if !check.required {
            merging.not_required.push(name);
            continue;
        }
        let (run, outcome) = of_check(&check.name);
        let is_exempt = check.exempts(pull_request).is_some() || outcome.is_some_and(is_by_path);
        match run {
            Some(run) if run.state == State::Succeeded => merging.fulfilled.push(name),
            Some(run) => merging.waits_for.push(format!("{name} ({})", so_far(run))),
            None if is_exempt => merging.fulfilled.push(name),
            None => merging.waits_for.push(format!("{name} (has not run on the head)")),
        }
    }
    merging
}

/// No file was changed that the check watches: it is not applicable.
fn is_by_path(outcome: &CheckOutcome) -> bool {
    outcome.key.as_deref() == Some("paths")
}

fn so_far(run: &Run) -> String {
    let state = run.state.as_str().replace('_', " ");
    if run.state.is_final() { format!("{state} on {}", short(&run.commit)) } else { state }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::super::check::tests::{check, storefront};
    use super::super::run::tests::run;
    use super::*;

    fn pull_request() -> PullRequest {
        PullRequest {
            repository: storefront(),
            target_ref: "refs/heads/main".into(),
            labels_known: true,
            ..PullRequest::default()
        }
    }

    fn found(required: bool, state: Option<State>, outcome: Option<CheckOutcome>) -> Merging {
        let check = Check { required, ..check() };
        let (pull_request, run) = (pull_request(), state.map(run));
        let of_check = |_: &str| (run.as_ref(), outcome.as_ref());
        merging(from_ref(&check), &check.organization, &[], &pull_request, of_check)
    }

    #[test]
    fn merging_waits_for_required_checks_that_have_not_succeeded() {
        assert_eq!(found(true, Some(State::Running), None).waits_for.len(), 1);
        assert!(
            found(true, Some(State::TimedOut), None).waits_for[0]
                .contains("(timed out on aaaaaaaa)")
        );
        assert!(found(true, None, None).waits_for[0].contains("has not run"));
        assert_eq!(found(true, Some(State::Succeeded), None).fulfilled.len(), 1);
        let by_path = CheckOutcome { key: Some("paths".into()), ..CheckOutcome::default() };
        assert_eq!(found(true, None, Some(by_path)).fulfilled.len(), 1);
        assert_eq!(found(false, None, None).not_required.len(), 1);
    }

    #[test]
    fn a_closed_pull_request_waits_for_nothing_and_other_repositories_do_not_count() {
        let check = Check { required: true, ..check() };
        let of_check = |_: &str| (None, None);
        for (organization, status) in
            [(check.organization.as_str(), Status::Completed), ("other", Status::Active)]
        {
            let pull_request = PullRequest { status, ..pull_request() };
            let found = merging(from_ref(&check), organization, &[], &pull_request, of_check);
            assert!(found.is_empty(), "{found:?}");
        }
    }
}
