//! Texts with the character NUL, which PostgreSQL does not have: they are stored with U+FFFD in its
//! place, and nothing is refused. Names of checks never have it: the configuration refuses it.

use azdo_gateway::domain::decision::{Outcome, Remembered, RememberedRef};
use azdo_gateway::domain::event::Repository;
use azdo_gateway::domain::pull_request::PullRequest;
use azdo_gateway::domain::run::{OfPullRequest, Run, State};
use azdo_gateway::domain::slot::Posting;
use azdo_gateway::domain::status::{Shown, Status};
use azdo_gateway::storage::{Commit, Page, RunFilter};

use super::make::{self, HookCall};
use super::reopening::everything;
use super::{Bench, Engine, at};

/// As Azure DevOps sends it: JSON has the character as an escape.
const BODY: &str = r#"{"subscriptionId":"s\u0000","notificationId":1,"id":"event\u0000",
    "eventType":"git.\u0000push","resource":{"title":"a\u0000b"}}"#;

fn repository() -> Repository {
    Repository { name: "we\0b".into(), project: "Fabri\0kam".into(), ..make::repository() }
}

fn run() -> Run {
    let run = make::run(1, "lint", 'a');
    let of = run.pull_request.clone().expect("it has one");
    Run {
        repository: repository(),
        git_ref: "refs/heads/a\0b".into(),
        pull_request: Some(OfPullRequest { title: "a\0b".into(), ..of }),
        reason: "because\0".into(),
        ..run
    }
}

/// Texts with NUL in everything that comes from outside, up to a status that was posted.
pub(super) async fn fill(bench: &Bench) {
    let call = HookCall { body: BODY.into(), ..make::delivery(1) };
    bench.accept(call).await.expect("it is new");
    let bytes = HookCall { body: b"{\"id\":\"\0\"}".into(), ..make::keyless("e") };
    bench.accept(bytes).await.expect("it is new");
    let claimed = bench.store.claim_deliveries(super::claim(0, 9)).await.expect("it is due");
    let [leased] = &claimed[..] else { panic!("the other one is not JSON: {claimed:?}") };
    assert_eq!(leased.body, BODY.as_bytes());
    let mut commit = make::decision(leased, &[run()], &[]);
    commit.repository = Some(repository());
    commit.former_name = Some("ol\0d".into());
    let Remembered { pull_request, as_of } = make::remembered(7, "a\0b", at(3));
    let pull_request = PullRequest { repository: repository(), ..pull_request };
    commit.decision.pull_request = Some(Remembered { pull_request, as_of });
    let remembered = make::remembered_ref("a\0b", 'a');
    commit.decision.refs = vec![RememberedRef { repository: repository(), ..remembered }];
    commit.decision.reason = "decided\0".into();
    assert_eq!(bench.store.commit_decision(commit).await.expect("it is"), Commit::Committed);
    let status = make::status("scan", 'a', Shown::Pending);
    let status = Status { description: "scanning\0".into(), ..status };
    bench.store.queue_status(status, at(4)).await.expect("it is queued");
    let run = make::moved(&bench.run(run().id).await, State::Running, 2);
    let description = Some("step\0".into());
    assert_eq!(bench.change(Run { description, ..run }).await, Commit::Committed);
    let slot = bench.slots(3).await.remove(0);
    assert_eq!(bench.posted(&slot, 3, Posting::Refused("no\0".into())).await, Commit::Committed);
}

/// What the store shows of it, with U+FFFD.
pub(super) async fn shown(bench: &Bench) -> String {
    let commit = RunFilter { commit: Some(make::sha('a')), ..RunFilter::default() };
    let page = Page { limit: 9, before: None };
    let runs = bench.store.runs(commit, page).await.expect("a list").items;
    assert_eq!(runs.len(), 1);
    let known = bench.store.known_repository(make::ORGANIZATION, &repository().id).await;
    let refs = vec!["refs/heads/a\0b".to_owned()];
    let refs = bench.store.known_refs(make::ORGANIZATION, &repository().id, refs).await;
    let rest = format!("{runs:#?}{:#?}{:#?}", known.unwrap(), refs.unwrap());
    (everything(bench).await + &rest).replace("\\0", "\u{fffd}")
}

#[tokio::test]
async fn a_text_with_nul_is_accepted_decided_and_listed() {
    let mut all = Vec::new();
    for bench in Bench::all().await {
        fill(&bench).await;
        let call = HookCall { body: BODY.into(), ..make::delivery(1) };
        assert_eq!(bench.accept(call).await, None, "it was there before");
        let newest = bench.newest().await.unwrap();
        let quarantined = bench.store.delivery(newest).await.unwrap().unwrap();
        assert_eq!(quarantined.outcome, Outcome::Quarantined);
        let body = bench.store.delivery_body(newest).await.unwrap().unwrap();
        assert_eq!(body, b"{\"id\":\"\0\"}");
        all.push(shown(&bench).await);
    }
    assert_eq!(all[0], all[1], "{:?}", Engine::ALL);
}
