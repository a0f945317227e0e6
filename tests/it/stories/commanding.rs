//! Commands in comments on pull requests: who is obeyed, what is done, and what starts nothing.

use fakes::ado::{NewPullRequest, Permission, SubscriptionStatus, World};
use fakes::faults::{Action, Rule};
use fakes::http::Response;
use reqwest::StatusCode;
use serde_json::Value;

use crate::harness::{Env, Gateway, Settings, check, newest_status};

const COMMENT: &str = "ms.vss-code.git-pullrequest-comment-event";

/// A linked gateway to which comments are delivered.
async fn commanded(env: &Env, checks: &str) -> Gateway {
    let change = |settings: &mut Settings| checks.clone_into(&mut settings.checks);
    let gateway = env.linked(change).await;
    env.subscribe_to(&gateway.url, COMMENT, "2.0").await;
    gateway
}

/// The reasons of what was decided about comments, oldest first.
async fn reasons(env: &Env, gateway: &Gateway) -> Vec<String> {
    env.until_decided(&gateway.api).await;
    let all = gateway.api.items("/v1/deliveries?limit=500").await;
    let mut of_comments: Vec<_> =
        all.iter().filter(|item| item["event"] == "pull_request_commented").collect();
    of_comments.sort_by_key(|item| item["id"].as_i64());
    of_comments.iter().map(|item| item["reason"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Actor, outcome and detail of each command in the audit log, oldest first.
async fn audited(gateway: &Gateway) -> Vec<[String; 3]> {
    let all = gateway.api.items("/v1/audit?action=command&limit=500").await;
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let entry = |item: &Value| ["actor", "outcome", "detail"].map(|key| text(item, key));
    all.iter().rev().map(entry).collect()
}

/// A pull request whose check has failed. Returns its number and the commit.
async fn failed(env: &Env) -> (u64, String) {
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    env.report(&run, "failed");
    env.until_status(id, &commit, "unit-tests", "failed").await;
    (id, commit)
}

fn unit_tests(keys: &str) -> String {
    check("unit-tests", &format!("statuses = [\"pull_request\"]\n{keys}"))
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_comment_repeats_a_failed_check_once_and_its_status_says_who_asked() {
    let env = Env::new(2701);
    env.disable_ci_reports();
    let gateway = commanded(&env, &unit_tests("")).await;
    let (id, commit) = failed(&env).await;
    let (thread, _) = env.shell.ado(|ado| ado.comment(id, "Flaky again.\n\n/retest"));
    env.until_started_times("unit-tests", &commit, 2).await;
    env.until_description(id, &commit, "unit-tests", "Queued: /retest by Jo Doe").await;
    // The same comment, delivered as another event.
    env.shell.ado(|ado| ado.announce_comment_again(id, thread));
    env.until_delivered().await;
    let reasons = reasons(&env, &gateway).await;
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].ends_with("/retest: unit-tests started"), "{reasons:?}");
    assert!(reasons[1].contains("acted on already"), "{reasons:?}");
    assert_eq!(env.starts(), 2);
    let detail = format!("/retest on pull request {id} of Fabrikam/web: unit-tests started");
    let wanted = ["jo@fabrikam.example".to_owned(), "done".to_owned(), detail];
    assert_eq!(audited(&gateway).await, [wanted]);
    env.until_all_revoked().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn strangers_and_the_gateway_itself_are_not_obeyed() {
    let env = Env::new(2702);
    env.disable_ci_reports();
    let gateway = commanded(&env, &unit_tests("replies = true")).await;
    let (id, _) = failed(&env).await;
    let person = env.shell.ado(|ado| {
        let person = ado.actor().to_owned();
        let stranger = ado.create_identity("Sam Stranger", "sam@elsewhere.example");
        ado.deny(&stranger, Permission::GenericContribute, None);
        ado.act_as(&stranger);
        ado.comment(id, "/retest");
        person
    });
    env.until_delivered().await;
    reasons(&env, &gateway).await;
    env.shell.ado(|ado| {
        ado.act_as(&env.identity);
        ado.comment(id, "/retest")
    });
    env.until_delivered().await;
    let told = reasons(&env, &gateway).await;
    assert!(told[0].contains("Sam Stranger may not contribute"), "{told:?}");
    assert!(told[1].contains("its own account"), "{told:?}");
    assert_eq!(env.starts(), 1);
    let entries = audited(&gateway).await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0][..2], ["sam@elsewhere.example", "refused"]);
    // The one who opened the pull request has no right by that.
    env.shell.ado(|ado| {
        ado.act_as(&person);
        ado.deny(&person, Permission::GenericContribute, None);
        ado.comment(id, "/retest");
    });
    env.until_delivered().await;
    let told = reasons(&env, &gateway).await;
    assert!(told[2].contains("Jo Doe may not contribute"), "{told:?}");
    assert_eq!(env.starts(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_edited_deleted_quoted_replayed_or_no_command_starts_nothing() {
    let env = Env::new(2703);
    env.disable_ci_reports();
    let gateway = commanded(&env, &unit_tests("")).await;
    let (id, _) = failed(&env).await;
    env.shell.ado(|ado| {
        ado.comment(id, "> /retest");
        ado.comment(id, "/r\u{0435}test");
        ado.comment(id, "```\n/retest\n```");
        let (thread, _) = ado.comment(id, "Looks good");
        ado.set_now(ado.now_ms() + 1_000);
        ado.edit_comment(id, thread, "/retest");
        ado.delete_comment(id, thread);
    });
    env.until_delivered().await;
    let told = reasons(&env, &gateway).await;
    assert_eq!(told.len(), 6, "{told:?}");
    assert_eq!(env.starts(), 1, "{told:?}");
    env.shell.ado(|ado| ado.comment(id, "/help"));
    env.until_delivered().await;
    reasons(&env, &gateway).await;
    let newest = gateway.api.items("/v1/deliveries?limit=1").await;
    let replay = format!("/v1/deliveries/{}/replay", newest[0]["id"]);
    assert_eq!(gateway.api.post(&replay, None).await.0, StatusCode::ACCEPTED);
    let told = reasons(&env, &gateway).await;
    assert!(told.last().unwrap().contains("replayed"), "{told:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_commands_ten_count() {
    let env = Env::new(2704);
    env.disable_ci_reports();
    let gateway = commanded(&env, &unit_tests("")).await;
    let (id, commit) = failed(&env).await;
    let lines: Vec<_> = (0..99).map(|n| format!("/retest nothing {n}")).collect();
    let content = format!("{}\n/retest unit-tests", lines.join("\n"));
    env.shell.ado(|ado| ado.comment(id, &content));
    env.until_delivered().await;
    reasons(&env, &gateway).await;
    assert_eq!(audited(&gateway).await.len(), 10);
    assert_eq!(env.starts(), 1);
    let content = "/retest unit-tests\n".repeat(100);
    env.shell.ado(|ado| ado.comment(id, &content));
    env.until_started_times("unit-tests", &commit, 2).await;
    reasons(&env, &gateway).await;
    assert_eq!(env.starts(), 2);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_cancelled_run_names_who_cancelled_it() {
    let env = Env::new(2705);
    env.disable_ci_reports();
    let gateway = commanded(&env, &unit_tests("")).await;
    let (id, commit) = env.open("topic");
    env.until_started("unit-tests", &commit).await;
    env.shell.ado(|ado| ado.comment(id, "/Cancel unit-tests"));
    env.until_status(id, &commit, "unit-tests", "error").await;
    env.until_description(id, &commit, "unit-tests", "Cancelled: by Jo Doe").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn answers_are_posted_once_in_the_thread_of_the_comment() {
    let env = Env::new(2706);
    env.disable_ci_reports();
    let gateway = commanded(&env, &unit_tests("replies = true")).await;
    let (id, _) = failed(&env).await;
    // The first answer is posted, and Azure DevOps' own answer is lost.
    let lost = Rule::new("POST", "/comments", Action::DropAfter).next(1);
    env.shell.ado(|ado| ado.faults.add(lost));
    let (thread, _) = env.shell.ado(|ado| ado.comment(id, "/status\n/help"));
    let answers = |ado: &World| {
        let threads = &ado.pull_request(id).threads;
        let found = threads.iter().find(|one| one.id == thread);
        found.map_or(0, |found| found.comments.iter().filter(|one| one.by == env.identity).count())
    };
    env.until("the comment is answered", |ado, _| answers(ado) >= 1).await;
    env.until_delivered().await;
    env.until_idle(&gateway.api).await;
    assert_eq!(env.shell.ado(|ado| answers(ado)), 1);
    let content = env.shell.ado(|ado| {
        let threads = &ado.pull_request(id).threads;
        let found = threads.iter().find(|one| one.id == thread).unwrap();
        found.comments.last().unwrap().content.clone()
    });
    assert!(content.contains("unit-tests is failed"), "{content}");
    // Its own answer was delivered to it as well.
    let told = reasons(&env, &gateway).await;
    assert!(told.iter().any(|reason| reason.contains("no command in it")), "{told:?}");
    env.until_all_revoked().await;
    gateway.stop().await;
}

/// Opens a pull request from a fork. Returns its number, its commit, and the fork.
fn open_from_fork(env: &Env) -> (u64, String, String) {
    env.shell.ado(|ado| {
        let fork = ado.create_fork(&env.repository, &env.project, "web-fork");
        let commit = ado.push(&fork, "fix", "From outside");
        let new = NewPullRequest::new(&env.repository, "fix", "main").from_fork(&fork);
        (ado.open_pull_request(&new), commit, fork)
    })
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_fork_waits_for_its_approval_and_a_push_for_another_one() {
    let env = Env::new(2707);
    let gateway = commanded(&env, &unit_tests("")).await;
    let (id, commit, fork) = open_from_fork(&env);
    env.until_status(id, &commit, "unit-tests", "pending").await;
    let shown = env.shell.ado(|ado| newest_status(ado, id, &commit, "unit-tests").cloned());
    let description = shown.and_then(|shown| shown.description).unwrap_or_default();
    assert!(description.contains("/ok-to-test"), "{description}");
    assert_eq!(env.starts(), 0);
    // Written within seconds of the push: nobody can have looked at that commit.
    env.shell.ado(|ado| ado.comment(id, "/ok-to-test"));
    env.until("the commit is asked for", |ado, _| {
        let shown = newest_status(ado, id, &commit, "unit-tests");
        let words = format!("/ok-to-test {}", &commit[..8]);
        shown.and_then(|one| one.description.as_deref()).is_some_and(|it| it.contains(&words))
    })
    .await;
    assert_eq!(env.starts(), 0);
    env.shell.ado(|ado| ado.comment(id, &format!("/ok-to-test {}", &commit[..8])));
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let pushed = env.shell.ado(|ado| ado.push(&fork, "fix", "More from outside"));
    env.until_status(id, &pushed, "unit-tests", "pending").await;
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 1);
    env.shell.ado(|ado| {
        ado.set_now(ado.now_ms() + 6_000);
        ado.comment(id, "/ok-to-test")
    });
    env.until_status(id, &pushed, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_fails_permits_nobody_and_is_made_again() {
    let env = Env::new(2708);
    env.disable_ci_reports();
    let gateway = commanded(&env, &unit_tests("")).await;
    let (id, commit) = failed(&env).await;
    let error = Response::json(500, &serde_json::json!({}));
    let down = Rule::new("GET", "/_apis/accesscontrollists", Action::Respond(error)).next(1);
    env.shell.ado(|ado| ado.faults.add(down));
    env.shell.ado(|ado| ado.comment(id, "/retest"));
    env.until_started_times("unit-tests", &commit, 2).await;
    assert_eq!(audited(&gateway).await.len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn catch_up_finds_commands_that_no_hook_told_of_and_obeys_them_once() {
    let env = Env::new(2709);
    env.disable_ci_reports();
    // Comments are not delivered, and everything else is.
    let gateway = env
        .linked(|settings| {
            settings.checks = unit_tests("");
            settings.organization = "hooks = false\ncatch_up = \"1s\"".to_owned();
        })
        .await;
    // What was there before the repository was watched starts nothing.
    env.until("the repository is watched", |ado, _| {
        ado.journal.count("GET", "/git/pullrequests?") > 1
    })
    .await;
    let (id, commit) = failed(&env).await;
    env.shell.ado(|ado| ado.comment(id, "Flaky again.\n\n/retest"));
    env.until_started_times("unit-tests", &commit, 2).await;
    // The hook tells of it as well, and later scans find it again.
    env.subscribe_to(&gateway.url, COMMENT, "2.0").await;
    env.shell.ado(|ado| ado.announce_comment_again(id, 1));
    env.until_delivered().await;
    let told = reasons(&env, &gateway).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("acted on already"), "{told:?}");
    assert_eq!(env.starts(), 2);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn catch_up_finds_a_command_that_one_hook_of_many_lost() {
    let env = Env::new(2713);
    env.disable_ci_reports();
    let gateway = env
        .linked(|settings| {
            settings.checks = unit_tests("");
            settings.organization =
                "hooks = true\nreconcile = \"1h\"\ncatch_up = \"1s\"".to_owned();
        })
        .await;
    let hooks = env.until_hooks(&gateway.url, 4).await;
    let of_comments = hooks.iter().find(|hook| hook.event_type == COMMENT).unwrap();
    let lists = |ado: &World| ado.journal.count("GET", "/git/pullrequests?");
    env.until("the thorough scans are over", |ado, _| lists(ado) > 2).await;
    env.shell.ado(|ado| {
        ado.set_subscription_status(&of_comments.id, SubscriptionStatus::DisabledByUser);
        // With a scan each second, the comments of one pull request in 1,200 are listed by each.
        ado.options.next_pull_request = u64::try_from(ado.now_ms()).unwrap() / 1_000 % 1_200;
    });
    for number in 0..60 {
        let (id, _) = env.open(&format!("topic-{number}"));
        env.shell.ado(|ado| ado.comment(id, "/help"));
    }
    let of_commands = "/v1/audit?action=command&limit=500";
    let found = gateway
        .api
        .until(of_commands, |found| !found["items"].as_array().unwrap().is_empty())
        .await;
    let detail = found["items"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("/help"), "{found}");
    gateway.stop().await;
}
