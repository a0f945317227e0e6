//! An hour off: a hundred pull requests are opened, pushed to, abandoned and completed while the
//! gateway is not there, and Azure DevOps stops every subscription. After the start nothing is
//! missing, nothing ran twice, and what was before the watch is left alone.

use std::collections::BTreeMap;
use std::time::Duration;

use fakes::ado::hooks::Subscription;
use fakes::ado::{SubscriptionStatus, World};
use fakes::faults::{Action, Rule};
use fakes::journal::Entry;

use crate::harness::{Binary, Env, Settings, WAIT_MAX, check};

const CHECKS: [&str; 2] = ["unit-tests", "lint"];
/// Upkeep is asked for by the start alone, so that its requests can be counted.
const KEPT: &str = "hooks = true\nreconcile = \"1h\"\ncatch_up = \"1h\"";
const BATCHES: usize = 10;
const PER_BATCH: usize = 10;
const HALF_BATCH: Duration = Duration::from_secs(186);

fn kept(settings: &mut Settings) {
    settings.organization = KEPT.to_owned();
    let tests = check(CHECKS[0], "on = [\"pull_request\", \"push\"]\nbranches = [\"main\"]");
    settings.checks = tests + &check(CHECKS[1], "on = [\"pull_request\"]");
}

/// What a pull request has to show afterwards.
struct Fate {
    id: u64,
    /// The commit that each check runs on, once; none where nothing is started.
    runs: Option<String>,
    /// It is active, and each check stands on its newest iteration.
    is_shown: bool,
}

impl Fate {
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
async fn when_azure_devops_tries_again_at_the_start_nothing_is_missing_either() {
    // Until shortly before the retries that come 20 + 40 + 80 minutes after the failures.
    let until_retries = Duration::from_secs(76 * 60);
    hour_off(4203, until_retries, SubscriptionStatus::OnProbation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_two_days_off_nothing_is_missing() {
    let days = Duration::from_secs(2 * 86_400);
    hour_off(4202, days, SubscriptionStatus::DisabledBySystem).await;
}

/// The story, with more time off after the hour, in which the subscriptions end like this.
async fn hour_off(seed: u64, more: Duration, status: SubscriptionStatus) {
    let env = Env::new(seed);
    let old: Vec<u64> = (0..3).map(|number| env.open(&format!("old-{number}")).0).collect();
    let mut gateway = Binary::without_hooks(&env, kept).await;
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
    assert_eq!(before, ids.len() * CHECKS.len(), "what was before the watch did not run");
    gateway.kill();
    let mut fates = of_before(&env, &old, &known);
    for batch in 0..BATCHES {
        fates.extend(one_batch(&env, batch).await);
    }
    env.shell.advance(more).await;
    let stopped = env.hooks_of(&gateway.url);
    assert!(stopped.len() == 4 && stopped.iter().all(|one| one.status == status), "{stopped:?}");
    let asked_before = env.shell.ado(|ado| ado.journal.entries().len());
    let is_retried = (Duration::from_secs(1)..Duration::from_secs(86_400)).contains(&more);
    if is_retried {
        // What still waits there is delivered before the gateway looks, which enables them all.
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
    let shown: Vec<u64> = fates.iter().filter(|fate| fate.is_shown).map(|fate| fate.id).collect();
    until_status(&env, &gateway, &shown).await;
    let main = env.shell.ado(|ado| ado.head(&env.repository, "main").unwrap().to_owned());
    env.until_commit_status(&main, CHECKS[0], "succeeded").await;
    env.until_idle(&gateway.api).await;
    ran_as_fated(&env, before, &fates, &main, usize::from(is_retried));
    env.check_invariants();
    // What was healed is told until the next look, and is not blamed for what it did not tell.
    let ready = gateway.api.until("/readyz", |ready| !told_of_healing(ready)).await;
    assert_eq!(ready["problems"], serde_json::json!({}));
    cost(&env, asked_before, if is_retried { 0 } else { 4 });
}

fn told_of_healing(ready: &serde_json::Value) -> bool {
    ready.to_string().contains("they are being healed")
}

/// Waits until each of them shows every check on its newest iteration.
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
    // Which ones, and what the gateway thought of them.
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

/// What becomes of the pull requests that were there when it stopped.
fn of_before(env: &Env, old: &[u64], known: &[(u64, String)]) -> Vec<Fate> {
    let id = |number: usize| known[number].0;
    let mut fates = vec![Fate::nothing(old[0], false), Fate::nothing(id(0), true)];
    fates.push(Fate::runs(old[1], &env.push("old-1")));
    fates.push(Fate::runs(id(1), &env.push("known-1")));
    env.push("known-2");
    env.shell.ado(|ado| {
        // There and back again: its verdict stands, and is shown on the newest iteration.
        ado.force_push_to(&env.repository, "known-2", &known[2].1);
        ado.abandon(old[2]);
        ado.abandon(id(3));
        ado.complete(id(4));
        ado.abandon(id(5));
        ado.reactivate(id(5));
        ado.comment(id(0), "Any news?");
    });
    fates.extend([Fate::nothing(id(2), true), Fate::nothing(id(5), true)]);
    fates.extend([old[2], id(3), id(4)].map(|id| Fate::nothing(id, false)));
    fates
}

/// Ten pull requests, each of another kind, in a little more than six minutes: Azure DevOps tries
/// again after one hour, and not when the gateway has just started.
async fn one_batch(env: &Env, batch: usize) -> Vec<Fate> {
    let branch = |kind: usize| format!("topic-{}", batch * PER_BATCH + kind);
    let opened: Vec<(u64, String)> = (0..PER_BATCH).map(|kind| env.open(&branch(kind))).collect();
    env.shell.advance(HALF_BATCH).await;
    env.push("main");
    let fates = opened.into_iter().enumerate().map(|(kind, (id, first))| {
        let push = || env.push(&branch(kind));
        let act = |act: fn(&mut World, u64)| env.shell.ado(|ado| act(ado, id));
        match kind {
            0 => Fate::runs(id, &first),
            1 => Fate::runs(id, &push()),
            2 => {
                push();
                Fate::runs(id, &push())
            }
            3 => {
                push();
                let back = |ado: &mut World| ado.force_push_to(&env.repository, &branch(3), &first);
                env.shell.ado(back);
                Fate::runs(id, &first)
            }
            4 => {
                let force = |ado: &mut World| ado.force_push(&env.repository, &branch(4), "Anew");
                Fate::runs(id, &env.shell.ado(force))
            }
            5 => {
                act(World::abandon);
                Fate::nothing(id, false)
            }
            6 => {
                push();
                act(|ado, id| drop(ado.complete(id)));
                Fate::nothing(id, false)
            }
            7 => {
                act(World::abandon);
                act(World::reactivate);
                Fate::runs(id, &first)
            }
            8 => {
                let pushed = push();
                act(World::set_draft);
                act(World::publish);
                Fate::runs(id, &pushed)
            }
            _ => {
                push();
                act(World::abandon);
                Fate::nothing(id, false)
            }
        }
    });
    let fates = fates.collect();
    env.shell.advance(HALF_BATCH).await;
    fates
}

/// Exactly what was fated ran since the first so many starts, and each of it once. A push to main
/// that Azure DevOps tells late itself, before anybody looked, may have run, too.
fn ran_as_fated(env: &Env, before: usize, fates: &[Fate], main: &str, told_late_max: usize) {
    let mut expected: Vec<String> = Vec::new();
    for fate in fates {
        let runs = fate.runs.iter();
        expected.extend(runs.flat_map(|head| CHECKS.map(|check| told(check, fate.id, head))));
    }
    expected.push(format!("{} of the branch on {main}", CHECKS[0]));
    let mut ran: Vec<String> = env.shell.ci(|ci| {
        let since = ci.started().skip(before);
        since
            .map(|start| match start.trigger["pull_request"]["id"].as_u64() {
                Some(id) => told(&start.check, id, &start.commit),
                None => format!("{} of the branch on {}", start.check, start.commit),
            })
            .collect()
    });
    let is_early = |one: &String| one.contains("of the branch on") && !one.contains(main);
    let early: Vec<String> = ran.extract_if(.., |one| is_early(one)).collect();
    assert!(early.len() <= told_late_max, "of several missed pushes the last one runs: {early:?}");
    expected.sort();
    ran.sort();
    assert_eq!(ran, expected);
}

fn told(check: &str, id: u64, head: &str) -> String {
    format!("{check} of pull request {id} on {head}")
}

/// What healing and catch-up asked, by kind; statuses and their iterations are no part of it.
fn cost(env: &Env, asked_before: usize, healed: usize) {
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
    // A new one for each that was stopped, which is removed: whatever else was asked.
    assert_eq!((count("hooks: create"), count("hooks: delete")), (healed, healed), "{kinds:?}");
    let bounds = [
        ("hooks: query", 60),
        ("hooks: test", 12),
        ("repositories", 20),
        ("pull request lists", 8),
        ("single pull requests", 10),
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
        ("GET", ["git", "repositories", _, "refs"]) => "refs",
        ("GET", ["git", "repositories", _, "pushes"]) => "pushes",
        ("GET", ["git", "repositories", _, "pushes", ..]) => "single pushes",
        _ => "other",
    }
}
