//! An hour off: a hundred pull requests are opened, pushed to, abandoned and completed while the
//! gateway is off, and Azure DevOps stops every subscription. After the start no run is missing,
//! none ran twice, and nothing ran for what is older than the watch.

use std::collections::BTreeMap;
use std::time::Duration;

use fakes::ado::hooks::Subscription;
use fakes::ado::{SubscriptionStatus, World};
use fakes::faults::{Action, Rule};
use fakes::journal::Entry;

use crate::harness::{Binary, Env, Settings, WAIT_MAX, check};

const CHECKS: [&str; 2] = ["unit-tests", "lint"];
/// Reconcilers run at the start and then hardly ever, so that their requests can be counted.
const MANAGED: &str = "hooks = true\nreconcile = \"1h\"\ncatch_up = \"1h\"";
const BATCHES: usize = 10;
const PER_BATCH: usize = 10;
const HALF_BATCH: Duration = Duration::from_secs(186);

fn managed(settings: &mut Settings) {
    settings.organization = MANAGED.to_owned();
    let tests = check(CHECKS[0], "on = [\"pull_request\", \"push\"]\nbranches = [\"main\"]");
    settings.checks = tests + &check(CHECKS[1], "on = [\"pull_request\"]");
}

/// What is expected of a pull request afterwards.
struct Expected {
    id: u64,
    /// The commit that each check runs on, once; none where nothing is started.
    runs: Option<String>,
    /// It is active, and each check stands on its newest iteration.
    is_shown: bool,
}

impl Expected {
    fn runs(id: u64, head: &str) -> Self {
        Self { id, runs: Some(head.to_owned()), is_shown: true }
    }

    fn nothing(id: u64, is_shown: bool) -> Self {
        Self { id, runs: None, is_shown }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_hour_off_nothing_is_missing() {
    hour_off(4201, Duration::ZERO, SubscriptionStatus::OnProbation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_azure_devops_retries_at_the_start_nothing_is_missing() {
    // Until shortly before the third retry, 20 + 40 + 80 minutes after the failures.
    let until_retries = Duration::from_secs(76 * 60);
    hour_off(4203, until_retries, SubscriptionStatus::OnProbation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_two_days_off_nothing_is_missing() {
    let days = Duration::from_secs(2 * 86_400);
    hour_off(4202, days, SubscriptionStatus::DisabledBySystem).await;
}

/// The story, with more time off after the hour; at its end the subscriptions have this status.
async fn hour_off(seed: u64, more: Duration, status: SubscriptionStatus) {
    let env = Env::new(seed);
    let old: Vec<u64> = (0..3).map(|number| env.open(&format!("old-{number}")).0).collect();
    let mut gateway = Binary::without_hooks(&env, managed).await;
    env.until_hooks(&gateway.url, 4).await;
    env.until("it looked at the branches", |ado, _| ado.journal.count("GET", "/pushes") > 0).await;
    env.until_idle(&gateway.api).await;
    let mut known = Vec::new();
    for number in 0..6 {
        known.push(env.open(&format!("known-{number}")));
    }
    let ids: Vec<u64> = known.iter().map(|(id, _)| *id).collect();
    until_status(&env, &gateway, &ids).await;
    env.until_idle(&gateway.api).await;
    let before = env.starts();
    assert_eq!(
        before,
        ids.len() * CHECKS.len(),
        "nothing ran for pull requests that are older than the watch"
    );
    gateway.kill();
    let mut expected = of_before(&env, &old, &known);
    for batch in 0..BATCHES {
        expected.extend(one_batch(&env, batch).await);
    }
    env.shell.advance(more).await;
    let stopped = env.hooks_of(&gateway.url);
    assert!(stopped.len() == 4 && stopped.iter().all(|one| one.status == status), "{stopped:?}");
    let asked_before = env.shell.ado(|ado| ado.journal.entries().len());
    let is_retried = (Duration::from_secs(1)..Duration::from_secs(86_400)).contains(&more);
    if is_retried {
        // The retries succeed before the first pass, which enables the subscriptions again.
        let hold = Rule::new("POST", "/subscriptionsquery", Action::Hold { before: true }).next(1);
        env.shell.ado(|ado| ado.faults.add(hold));
        gateway.restart().await;
        assert!(env.shell.wait_for_held(WAIT_MAX, 1).await.is_some(), "it looks");
        env.shell.advance(Duration::from_secs(300)).await;
        env.shell.release();
    } else {
        gateway.restart().await;
    }
    let healed = env.until_hooks(&gateway.url, 4).await;
    let is_new = |one: &Subscription| stopped.iter().all(|old| old.id != one.id);
    assert!(healed.iter().all(|one| is_new(one) != is_retried), "{healed:?}");
    let shown: Vec<u64> = expected.iter().filter(|one| one.is_shown).map(|one| one.id).collect();
    until_status(&env, &gateway, &shown).await;
    let main = env.shell.ado(|ado| ado.head(&env.repository, "main").unwrap().to_owned());
    env.until_commit_status(&main, CHECKS[0], "succeeded").await;
    env.until_idle(&gateway.api).await;
    assert_ran(&env, before, &expected, &main, usize::from(is_retried));
    env.check_invariants();
    // The problem of the healed ones is shown until the next pass. They are not called silent.
    let ready = gateway.api.until("/readyz", |ready| !shows_healing(ready)).await;
    assert_eq!(ready["problems"], serde_json::json!({}));
    assert_cost(&env, asked_before, if is_retried { 0 } else { 4 });
}

fn shows_healing(ready: &serde_json::Value) -> bool {
    ready.to_string().contains("they are being healed")
}

/// Waits until each of these pull requests shows every check on its newest iteration.
async fn until_status(env: &Env, gateway: &Binary, ids: &[u64]) {
    let is_shown = |ado: &World, id: u64, check: &str| {
        let one = ado.pull_request(id);
        let newest = one.iterations.last().map(|iteration| iteration.id);
        let mut its = one.statuses.iter().rev();
        let last = its.find(|status| status.iteration == newest && status.name == check);
        last.is_some_and(|status| status.state == "succeeded")
    };
    let lacks = |ado: &World, id: &u64| !CHECKS.iter().all(|check| is_shown(ado, *id, check));
    let all = |ado: &World| !ids.iter().any(|id| lacks(ado, id));
    if env.shell.wait_until(WAIT_MAX, |ado, _| all(ado)).await {
        return;
    }
    // Name them, with the decisions about them.
    let told = gateway.api.items("/v1/deliveries?limit=500").await;
    let lacking: Vec<u64> =
        env.shell.ado(|ado| ids.iter().copied().filter(|id| lacks(ado, id)).collect());
    for id in &lacking {
        let of = format!("pull request {id} ");
        let its = told.iter().filter(|one| one["reason"].to_string().contains(&of));
        its.for_each(|one| println!("{one}"));
        env.shell.ado(|ado| {
            let one = ado.pull_request(*id);
            println!("{:?} {:?}", one.iterations, one.statuses);
        });
    }
    panic!("these active pull requests never showed every check: {lacking:?}");
}

/// What is expected of the pull requests that existed when the gateway stopped.
fn of_before(env: &Env, old: &[u64], known: &[(u64, String)]) -> Vec<Expected> {
    let id = |number: usize| known[number].0;
    let mut expected = vec![Expected::nothing(old[0], false), Expected::nothing(id(0), true)];
    expected.push(Expected::runs(old[1], &env.push("old-1")));
    expected.push(Expected::runs(id(1), &env.push("known-1")));
    env.push("known-2");
    env.shell.ado(|ado| {
        // Moved and back again: its result stays, and is shown on the newest iteration.
        ado.force_push_to(&env.repository, "known-2", &known[2].1);
        ado.abandon(old[2]);
        ado.abandon(id(3));
        ado.complete(id(4));
        ado.abandon(id(5));
        ado.reactivate(id(5));
        ado.comment(id(0), "Any news?");
    });
    expected.extend([Expected::nothing(id(2), true), Expected::nothing(id(5), true)]);
    expected.extend([old[2], id(3), id(4)].map(|id| Expected::nothing(id, false)));
    expected
}

/// Ten pull requests, each of another kind, in a little more than six minutes. So the hour of all
/// batches ends between two retries of Azure DevOps.
async fn one_batch(env: &Env, batch: usize) -> Vec<Expected> {
    let branch = |kind: usize| format!("topic-{}", batch * PER_BATCH + kind);
    let opened: Vec<(u64, String)> = (0..PER_BATCH).map(|kind| env.open(&branch(kind))).collect();
    env.shell.advance(HALF_BATCH).await;
    env.push("main");
    let expected = opened.into_iter().enumerate().map(|(kind, (id, first))| {
        let push = || env.push(&branch(kind));
        let act = |act: fn(&mut World, u64)| env.shell.ado(|ado| act(ado, id));
        match kind {
            0 => Expected::runs(id, &first),
            1 => Expected::runs(id, &push()),
            2 => {
                push();
                Expected::runs(id, &push())
            }
            3 => {
                push();
                let back = |ado: &mut World| ado.force_push_to(&env.repository, &branch(3), &first);
                env.shell.ado(back);
                Expected::runs(id, &first)
            }
            4 => {
                let force = |ado: &mut World| ado.force_push(&env.repository, &branch(4), "Anew");
                Expected::runs(id, &env.shell.ado(force))
            }
            5 => {
                act(World::abandon);
                Expected::nothing(id, false)
            }
            6 => {
                push();
                act(|ado, id| drop(ado.complete(id)));
                Expected::nothing(id, false)
            }
            7 => {
                act(World::abandon);
                act(World::reactivate);
                Expected::runs(id, &first)
            }
            8 => {
                let pushed = push();
                act(World::set_draft);
                act(World::publish);
                Expected::runs(id, &pushed)
            }
            _ => {
                push();
                act(World::abandon);
                Expected::nothing(id, false)
            }
        }
    });
    let expected = expected.collect();
    env.shell.advance(HALF_BATCH).await;
    expected
}

/// After the first `before` starts exactly the expected runs were started, each once. A push to
/// main that Azure DevOps delivered late itself, before the first scan, may have run, too.
fn assert_ran(env: &Env, before: usize, expected: &[Expected], main: &str, late_max: usize) {
    let mut starts: Vec<String> = Vec::new();
    for one in expected {
        let runs = one.runs.iter();
        starts.extend(runs.flat_map(|head| CHECKS.map(|check| describe(check, one.id, head))));
    }
    starts.push(format!("{} of the branch on {main}", CHECKS[0]));
    let mut ran: Vec<String> = env.shell.ci(|ci| {
        let since = ci.started().skip(before);
        since
            .map(|start| match start.trigger["pull_request"]["id"].as_u64() {
                Some(id) => describe(&start.check, id, &start.commit),
                None => format!("{} of the branch on {}", start.check, start.commit),
            })
            .collect()
    });
    let is_early = |one: &String| one.contains("of the branch on") && !one.contains(main);
    let early: Vec<String> = ran.extract_if(.., |one| is_early(one)).collect();
    assert!(early.len() <= late_max, "of several missed pushes the last one runs: {early:?}");
    starts.sort();
    ran.sort();
    assert_eq!(ran, starts);
}

fn describe(check: &str, id: u64, head: &str) -> String {
    format!("{check} of pull request {id} on {head}")
}

/// Holds the requests of healing and catch-up against their limits, by kind. Those for statuses and
/// their iterations do not count.
fn assert_cost(env: &Env, asked_before: usize, healed: usize) {
    let counted = |entry: &&Entry| {
        let target = entry.target.to_ascii_lowercase();
        !(target.contains("/statuses") || target.contains("/iterations"))
    };
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    env.shell.ado(|ado| {
        for entry in ado.journal.entries().skip(asked_before).filter(counted) {
            *kinds.entry(kind(entry)).or_default() += 1;
        }
    });
    println!("requests of healing and catch-up, by kind:");
    kinds.iter().for_each(|(kind, count)| println!("{count:6} {kind}"));
    println!("{:6} in all", kinds.values().sum::<usize>());
    let count = |kind: &str| kinds.get(kind).copied().unwrap_or_default();
    assert_eq!(count("other"), 0, "{kinds:?}");
    // Each one that was stopped is replaced once.
    assert_eq!((count("hooks: create"), count("hooks: delete")), (healed, healed), "{kinds:?}");
    let bounds = [
        ("hooks: query", 60),
        ("hooks: test", 12),
        ("repositories", 20),
        ("pull request lists", 8),
        ("single pull requests", 10),
        // Two scans look for commands on each active pull request.
        ("comments", 2 * 80),
        ("refs", 4),
        ("pushes", 12),
        ("single pushes", 4),
    ];
    for (kind, most) in bounds {
        assert!(count(kind) <= most, "more than {most} of {kind}: {kinds:?}");
    }
}

fn kind(entry: &Entry) -> &'static str {
    let target = entry.target.to_ascii_lowercase();
    let path = target.split('?').next().unwrap_or_default();
    let rest = path.split("/_apis/").nth(1).unwrap_or_default();
    let parts: Vec<&str> = rest.split('/').collect();
    match (entry.method.as_str(), parts.as_slice()) {
        ("POST", ["hooks", "subscriptionsquery"]) => "hooks: query",
        ("POST", ["hooks", "subscriptions"]) => "hooks: create",
        ("POST", ["hooks", "testnotifications", ..]) => "hooks: test",
        ("DELETE", ["hooks", "subscriptions", _]) => "hooks: delete",
        ("GET", ["git", "repositories"]) => "repositories",
        ("GET", ["git", "pullrequests"]) => "pull request lists",
        ("GET", ["git", "pullrequests", _]) => "single pull requests",
        ("GET", ["git", "repositories", _, "pullrequests", _, "threads"]) => "comments",
        ("GET", ["git", "repositories", _, "refs"]) => "refs",
        ("GET", ["git", "repositories", _, "pushes"]) => "pushes",
        ("GET", ["git", "repositories", _, "pushes", ..]) => "single pushes",
        _ => "other",
    }
}
