//! Values to store: small, numbered, and equal when made from equal numbers.

use azdo_gateway::domain::audit::{Action, Actor, Entry, Outcome as Ended, Via};
use azdo_gateway::domain::check_outcome::CheckOutcome;
use azdo_gateway::domain::decision::{Decision, Outcome, Remembered, RememberedRef};
use azdo_gateway::domain::event::{Event, Repository};
use azdo_gateway::domain::fact::CatchUpMeta;
use azdo_gateway::domain::id::RunId;
use azdo_gateway::domain::pull_request::PullRequest;
use azdo_gateway::domain::run::{OfPullRequest, Run, State, Targets, Verdict};
use azdo_gateway::domain::runner_lease::RunnerLeases;
use azdo_gateway::domain::status::{Context, Shown, Status, Target};
use azdo_gateway::domain::steps::Steps;
use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::secret::Sealed;
use azdo_gateway::storage::{
    CatchUpDelivery, DecisionCommit, LeasedDelivery, Link, Login, SeenRunner,
};
use uuid::Uuid;

use super::at;

pub(super) const ORGANIZATION: &str = "fabrikam";
/// A hook call, and the keys in its body.
#[derive(Clone, Debug)]
pub(super) struct HookCall {
    pub(super) organization: String,
    pub(super) hook: String,
    pub(super) received_at: Timestamp,
    pub(super) body: Vec<u8>,
    pub(super) subscription: Option<String>,
    pub(super) notification: Option<i64>,
    pub(super) event: String,
    pub(super) is_json: bool,
}

/// The notification of that number, from the usual subscription.
pub(super) fn delivery(number: i64) -> HookCall {
    delivery_of(ORGANIZATION, "subscription-a", number, &format!("event-{number}"))
}

/// The notification of that number, with so many bytes more.
pub(super) fn long_delivery(number: i64, bytes: usize) -> HookCall {
    let call = delivery(number);
    let body = [call.body, vec![b' '; bytes]].concat();
    HookCall { body, ..call }
}

/// A notification of an event.
pub(super) fn delivery_of(
    organization: &str,
    subscription: &str,
    notification: i64,
    event: &str,
) -> HookCall {
    let fields = format!(
        r#""subscriptionId":"{subscription}","notificationId":{notification},"id":"{event}""#
    );
    HookCall {
        organization: organization.to_owned(),
        hook: "git-push".to_owned(),
        received_at: at(0),
        body: format!(r#"{{{fields},"eventType":"git.push"}}"#).into_bytes(),
        subscription: Some(subscription.to_owned()),
        notification: Some(notification),
        event: event.to_owned(),
        is_json: true,
    }
}

/// A hook call without the key of a notification.
pub(super) fn keyless(event: &str) -> HookCall {
    let body = format!(r#"{{"id":"{event}","eventType":"git.push"}}"#).into_bytes();
    let (subscription, notification) = (None, None);
    HookCall { body, subscription, notification, ..delivery_of(ORGANIZATION, "", 0, event) }
}

/// A hook call whose body is not JSON.
pub(super) fn not_json(organization: &str, event: &str) -> HookCall {
    let body = format!("event {event}").into_bytes();
    HookCall { organization: organization.into(), body, is_json: false, ..keyless(event) }
}

/// A fact that catch-up found.
pub(super) fn found(number: i64) -> CatchUpDelivery {
    CatchUpDelivery {
        organization: ORGANIZATION.into(),
        received_at: at(0),
        event_type: "git.push".into(),
        created_at: at(-1),
        body: format!(r#"{{"eventType":"git.push","found":{number}}}"#).into_bytes(),
        meta: CatchUpMeta { passed_over: vec![format!("refs/{number}")], ..Default::default() },
    }
}

pub(super) fn repository() -> Repository {
    Repository {
        id: "b90f6c2e-7d48-4a15-8c93-61e0d7a2f5b8".into(),
        name: "web".into(),
        project_id: "3e5d9a74-0c1b-4f62-a8d7-94b6e2f1c053".into(),
        project: "Fabrikam".into(),
    }
}

/// A commit id of one letter.
pub(super) fn sha(letter: char) -> String {
    letter.to_string().repeat(40)
}

/// A planned run of a check on pull request 7 at a commit, shown on the pull request alone.
pub(crate) fn run(number: u128, check: &str, commit: char) -> Run {
    let commit = sha(commit);
    Run {
        id: RunId(Uuid::from_u128(number)),
        number: 0,
        revision: 0,
        check: check.to_owned(),
        genre: "ci".into(),
        organization: ORGANIZATION.into(),
        repository: repository(),
        commit: commit.clone(),
        git_ref: "refs/heads/search".into(),
        pull_request: Some(OfPullRequest {
            id: 7,
            title: "Add search".into(),
            source_ref: "refs/heads/search".into(),
            target_ref: "refs/heads/main".into(),
            merge_ref: "refs/pull/7/merge".into(),
            source_commit: commit,
            target_commit: None,
            merge_commit: None,
            is_draft: false,
            is_fork: false,
        }),
        ci: "builder".into(),
        inputs: Default::default(),
        is_cancellable: false,
        ci_concurrency: None,
        targets: Targets { pull_request: true, commit: false },
        status_link: Default::default(),
        concurrency: None,
        timeout_ms: 3_600_000,
        verdict: Verdict::Report,
        state: State::Planned,
        reason: "pull request 7 opened".into(),
        description: None,
        url: None,
        ci_id: None,
        attempts: 0,
        runner: RunnerLeases::default(),
        look_ups: None,
        happened_at: None,
        cancel_attempts: None,
        ci_problem: None,
        reports: 0,
        steps: Steps::default(),
        created_at: at(0),
        updated_at: at(0),
        overdue_at: at(3_600),
    }
}

/// A run of a push to main.
pub(super) fn push_run(number: u128, check: &str, commit: char) -> Run {
    Run {
        git_ref: "refs/heads/main".into(),
        pull_request: None,
        targets: Targets { pull_request: false, commit: true },
        ..run(number, check, commit)
    }
}

/// The run in another state, since that second.
pub(super) fn moved(run: &Run, state: State, second: i64) -> Run {
    Run { state, reason: format!("moved to {state}"), updated_at: at(second), ..run.clone() }
}

/// How many things the deliveries are about that [`decision`] decides.
pub(super) const SUBJECTS: i64 = 3;

/// A decision that plans and ends runs, and nothing else.
pub(super) fn decision(of: &LeasedDelivery, planned: &[Run], ended: &[Run]) -> DecisionCommit {
    let outcome = if planned.is_empty() { Outcome::Ignored } else { Outcome::Started };
    let decision = Decision {
        planned: planned.to_vec(),
        ended: ended.to_vec(),
        checks: planned.iter().map(|run| CheckOutcome::started(run, "")).collect(),
        ..Decision::nothing(outcome, Event::PullRequestPushed, "decided by a test")
    };
    DecisionCommit {
        lease: of.lease,
        organization: of.organization.clone(),
        decision,
        repository: Some(repository()),
        former_name: None,
        pull_request_revision: 0,
        ref_revisions: Vec::new(),
        about: vec![of.received_at.micros() % SUBJECTS],
        now: at(1),
    }
}

/// A pull request to be stored.
pub(super) fn remembered(id: i64, title: &str, as_of: Timestamp) -> Remembered {
    let pull_request = PullRequest {
        repository: repository(),
        id,
        title: title.into(),
        source_ref: "refs/heads/search".into(),
        target_ref: "refs/heads/main".into(),
        source_commit: Some(sha('a')),
        ..PullRequest::default()
    };
    Remembered { pull_request, as_of }
}

/// A branch to be stored.
pub(super) fn remembered_ref(branch: &str, commit: char) -> RememberedRef {
    RememberedRef {
        repository: repository(),
        name: format!("refs/heads/{branch}"),
        head: Some(sha(commit)),
        push_id: Some(1),
        settled: vec![],
    }
}

/// A status of a CI that started by itself.
pub(super) fn status(name: &str, commit: char, state: Shown) -> Status {
    Status {
        organization: ORGANIZATION.into(),
        project: "Fabrikam".into(),
        repository: "web".into(),
        target: Target::Commit { commit: sha(commit) },
        context: Context { genre: "nightly".into(), name: name.into() },
        state,
        description: String::new(),
        url: None,
        run: None,
    }
}

/// An entry of that second, with every field filled.
pub(super) fn entry(second: i64, action: Action) -> Entry {
    Entry {
        identity: Some("ci@fabrikam.example".into()),
        actor: "stage/post".into(),
        run: Some(RunId(Uuid::from_u128(1))),
        pat: Some("0f2c7c7e-9c8c-4d4a-8d7b-5b0e6f1d2a3c".into()),
        scope: Some("vso.code_status".into()),
        lifetime_s: Some(3_600),
        activity_id: Some("5d1f6d0b-3f4e-4f0a-9a54-c2f6f2f7b8a1".into()),
        detail: "to post a status".into(),
        ..Entry::new(at(second), ORGANIZATION, action, Ended::Done)
    }
}

/// A link with bytes instead of sealed tokens.
pub(super) fn link(organization: &str, token: u8) -> Link {
    Link {
        organization: organization.into(),
        revision: 0,
        tenant_id: "7c1b0c5e-52a1-4b0b-8f0e-2d6c2f1f6a10".into(),
        object_id: "b3f6f6c8-0b57-4c39-9d3c-3c5b0f0ad7a2".into(),
        user_name: "ci@fabrikam.example".into(),
        email: Some("team@fabrikam.example".into()),
        linked_at: at(1),
        linked_by: "browser".into(),
        signed_in_at: at(2),
        refresh_token: Sealed(vec![token; 60]),
        access_token: Some(Sealed(vec![token, 0, 255])),
        access_expires_at: at(3),
        refreshed_at: at(4),
        retry_at: Timestamp::ZERO,
        failures: 0,
        problem: None,
    }
}

/// The sign-in of that number, by the browser of that number, until that second.
pub(super) fn login(number: u32, browser: u32, until: i64) -> Login {
    Login {
        state: digest(number),
        browser: digest(browser),
        organization: ORGANIZATION.into(),
        nonce: format!("nonce-{number}"),
        verifier: Sealed(vec![1, 0, 255]),
        actor: Actor { name: "alice".into(), via: Via::OneTimeLink },
        expires_at: at(until),
    }
}

/// 32 bytes in place of a SHA-256.
pub(super) fn digest(number: u32) -> [u8; 32] {
    let mut digest = [7; 32];
    digest[..4].copy_from_slice(&number.to_be_bytes());
    digest
}

/// A runner that was seen at that second.
pub(super) fn seen_runner(name: &str, labels: Option<&[&str]>, second: i64) -> SeenRunner {
    SeenRunner {
        token: "agents".into(),
        name: name.into(),
        labels: labels.map(|labels| labels.iter().map(|label| (*label).to_owned()).collect()),
        seen_at: at(second),
        gone_before: at(second - 60),
    }
}
