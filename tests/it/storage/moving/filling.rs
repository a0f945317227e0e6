//! A store with something in every table.

use azdo_gateway::domain::audit::Action;
use azdo_gateway::domain::check_outcome::CheckOutcome;
use azdo_gateway::domain::event::Repository;
use azdo_gateway::domain::reconciler::{Asked, LastPass, Outcome, PassClaim, Release, Repeats};
use azdo_gateway::domain::run::State;
use azdo_gateway::domain::slot::Posting;
use azdo_gateway::domain::status::Shown;
use azdo_gateway::domain::subscription::{Found, HookScope, Settings, State as Enabled, Topic};
use azdo_gateway::storage::{
    CiPause, Commit, LinkChange, LinkTo, MinuteRow, PolicyRow, ProblemRow, Reconciler, Refresh,
    RunCommit, SeenProblems, SubscriptionRow, Ticket, Watermark,
};

use crate::storage::{Bench, LEASE, at, claim, make, receive};

/// Fills every table, with rows in every state of work. Some deliveries were received last, and
/// nobody has looked for work since.
pub(super) async fn fill(bench: &Bench) {
    flow(bench).await;
    people(bench).await;
    reconcilers(bench).await;
    for call in [make::delivery(20), make::long_delivery(21, 40_000), make::keyless("22")] {
        receive(&*bench.store, &call).await.unwrap();
    }
}

/// Deliveries, runs and statuses.
async fn flow(bench: &Bench) {
    let leased = bench.delivered(1).await;
    let runs =
        [make::run(1, "lint", 'a'), make::run(2, "unit", 'a'), make::push_run(3, "all", 'b')];
    let mut commit = make::decision(&leased, &runs, &[]);
    commit.decision.pull_request = Some(make::remembered(7, "Add search", at(3)));
    commit.decision.refs = vec![make::remembered_ref("main", 'b'), make::remembered_ref("é", 'c')];
    commit.about = vec![-7, i64::MAX];
    commit.decision.checks = vec![CheckOutcome::started(&runs[0], "")];
    assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
    let run = bench.run(runs[0].id).await;
    assert_eq!(bench.change(make::moved(&run, State::Succeeded, 4)).await, Commit::Committed);
    let slots = bench.slots(1).await;
    let posted = Posting::Posted { iteration: Some(1) };
    assert_eq!(bench.posted(&slots[0], 2, posted).await, Commit::Committed);
    bench.store.queue_status(make::status("scan", 'a', Shown::Pending), at(0)).await.unwrap();
    bench.store.claim_runs(claim(0, 1)).await.unwrap();
    let followed = make::moved(&bench.run(runs[2].id).await, State::Dispatched, 5);
    let followed = RunCommit { run: followed, lease: None, due_at: Some(at(50)) };
    assert_eq!(bench.store.commit_run(followed).await.unwrap(), Commit::Committed);
    let (account, until, reason) = ("gitlab.example".into(), at(600), "429".into());
    bench.store.pause_ci(CiPause { account, until, reason }).await.unwrap();
    let key = (make::ORGANIZATION.into(), "link".into(), String::new());
    let problem = ProblemRow { key, reason: "refused".into(), since: at(2) };
    let (all, over, seen_at, over_before) = (vec![problem], vec![], at(3), at(0));
    bench.store.see_problems(SeenProblems { all, over, seen_at, over_before }).await.unwrap();
    bench.store.end_session("session".into(), at(9_000), at(0)).await.unwrap();
    let minute = MinuteRow { at: at(60), series: "runs".into(), value: 5 };
    bench.store.add_minutes("a".into(), vec![minute], at(0)).await.unwrap();
    bench.store.see_runner(make::seen_runner("a", Some(&["linux"]), 7)).await.unwrap();
    bench.accept(make::delivery(2)).await.unwrap();
    bench.accept(make::not_json(make::ORGANIZATION, "3")).await.unwrap();
    bench.accept(make::long_delivery(4, 300_000)).await.unwrap();
    // Leased, and never decided.
    assert_eq!(bench.store.claim_deliveries(claim(3, 1)).await.unwrap().len(), 1);
}

/// Links, sign-ins and the audit log, whose newest entry is not there any more.
async fn people(bench: &Bench) {
    for (organization, token) in [("Fabrikam", 1), ("contoso", 2)] {
        let to = LinkTo::Linked(Box::new(make::link(organization, token)));
        let entry = make::entry(0, Action::Link);
        let change = LinkChange { organization: organization.into(), to, entry };
        assert_eq!(bench.store.commit_link(change).await.unwrap(), Commit::Committed);
    }
    let refresh = bench.store.claim_refresh("fabrikam", at(0), LEASE).await.unwrap();
    assert!(matches!(refresh, Refresh::Leased { .. }));
    let (organization, actor) = (make::ORGANIZATION.into(), "ops".into());
    let ticket = Ticket { digest: make::digest(1), organization, actor, expires_at: at(600) };
    bench.store.issue_ticket(ticket).await.unwrap();
    bench.store.begin_login(make::login(2, 5, 600), at(0)).await.unwrap();
    let entries = (0..5).map(|second| make::entry(second, Action::Mint)).collect();
    bench.store.record(entries).await.unwrap();
    bench.store.record(vec![make::entry(-1_000, Action::Mint)]).await.unwrap();
    bench.store.delete_older(at(-900), at(-900), 100).await.unwrap();
}

/// What reconcilers remember.
async fn reconcilers(bench: &Bench) {
    let store = &bench.store;
    let organization = "Fabrikam";
    for reconciler in [Reconciler::Subscriptions, Reconciler::Policies] {
        store.ask_reconciler(organization, reconciler, Asked::Pass).await.unwrap();
        let claimed =
            store.claim_reconciler(organization, reconciler, "a", at(0), LEASE).await.unwrap();
        let PassClaim::Claimed(pass) = claimed else { panic!("it is not claimed: {claimed:?}") };
        let outcome = Outcome { at: at(0), changes: 7, has_more: true, problem: Some("no".into()) };
        let last = Some(LastPass { instance: "a".into(), outcome });
        let repeats = Repeats { changing: 2, idle: 3 };
        let release = Release { due_at: at(60), repeats, asked: Asked::Nothing, last };
        if reconciler == Reconciler::Subscriptions {
            let released =
                store.release_reconciler(organization, reconciler, pass.number, release).await;
            assert_eq!(released.unwrap(), Commit::Committed);
        }
    }
    store.hold_hooks("contoso", true, at(0)).await.unwrap();
    let scope = |topic| HookScope { project_id: "a".repeat(36), topic };
    let scopes = vec![scope(Topic::Pushes), scope(Topic::Comments)];
    store.renew_hooks(organization, scopes, false, at(1)).await.unwrap();
    store.renew_hooks(organization, vec![scope(Topic::Pushes)], true, at(2)).await.unwrap();
    store.older_hook_seen(organization, scope(Topic::Pushes), at(3)).await.unwrap();
    store.replace_subscriptions(organization, vec![seen("s-1"), seen("s-2")]).await.unwrap();
    store.replace_subscriptions(organization, vec![seen("s-1")]).await.unwrap();
    let renamed = Repository { name: "site".into(), ..make::repository() };
    store.watch(organization, vec![make::repository()], at(0)).await.unwrap();
    store.watch(organization, vec![renamed], at(1)).await.unwrap();
    let (repository, read_until) = (make::repository().id, at(5));
    let watermark = Watermark { organization: organization.into(), repository, read_until };
    store.commit_catch_up(vec![make::found(1), make::found(2)], vec![watermark]).await.unwrap();
    let policy = PolicyRow { project_id: "b".repeat(36), id: 12 };
    store.record_policy(organization, policy, true).await.unwrap();
}

fn seen(id: &str) -> SubscriptionRow {
    SubscriptionRow {
        organization: "Fabrikam".into(),
        project: Some("Fabrikam".into()),
        found: Found {
            id: id.into(),
            topic: Topic::Pushes,
            project_id: None,
            url: "https://ci.fabrikam.example/hooks/azure-devops/fabrikam/push".into(),
            state: Enabled::Enabled,
            settings: Settings::from([("resourceDetailsToSend".into(), "all".into())]),
            created_at: Some(at(-500)),
            created_by: "Alice".into(),
        },
        hook: "push".into(),
        action: "keep".into(),
        reason: "it delivers".into(),
        checks: vec!["lint".into()],
        last_delivery_at: None,
        seen_at: at(1),
    }
}
