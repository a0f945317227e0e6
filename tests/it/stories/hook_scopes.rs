//! Whoever has the password of one hook reports events of its project and its kind, and of nothing
//! else. The rest is accepted, so that Azure DevOps drops no event, and changes nothing.

use azdo_gateway::domain::subscription::{HookName, HookScope, Topic};
use reqwest::StatusCode;
use serde_json::Value;

use crate::harness::{Env, Gateway, Settings, payloads};

/// Another project than that of the fake Azure DevOps.
const OTHER_PROJECT: &str = "3e5d9a74-0c1b-4f62-a8d7-94b6e2f1c053";

fn any_project(settings: &mut Settings) {
    settings.checks = settings.checks.replace("Fabrikam/*", "*/*");
}

fn managed(settings: &mut Settings) {
    settings.organization = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"off\"".to_owned();
}

/// The name of a hook of that project as the gateway gives it.
fn hook(project_id: &str, topic: Topic) -> String {
    let hook_scope = HookScope { project_id: project_id.to_owned(), topic };
    HookName { hook_scope, generation: 1, tag: "0a1b2c3d".to_owned() }.to_string()
}

/// Delivers a body as the hook, and returns what was decided.
async fn decided(env: &Env, gateway: &Gateway, hook: &str, body: &Value) -> Value {
    env.deliver_again(&gateway.url, hook, body.to_string()).await;
    env.until_decided(&gateway.api).await;
    gateway.api.items("/v1/deliveries").await.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hook_of_one_project_changes_nothing_in_another() {
    let env = Env::new(7001);
    env.disable_ci_reports();
    let gateway = Gateway::start_with(&env, any_project).await;
    let (id, commit) = env.open("topic");
    env.until_started("unit-tests", &commit).await;
    let mut retargeted = payloads::pull_request(&env, id, "topic", &commit);
    retargeted["resource"]["targetRefName"] = "refs/heads/nobody-checks-this".into();
    let old = env.shell.ado(|ado| ado.head(&env.repository, "main").unwrap().to_owned());
    let pushed = payloads::push(&env, "main", &old, &commit, 1_000);
    // The body names the project that the pull request is in, or the one that the hook is of.
    let mut claims = retargeted.clone();
    claims["resource"]["repository"]["project"]["id"] = OTHER_PROJECT.into();
    let own = env.project.clone();
    for (project, topic, body, reason) in [
        (OTHER_PROJECT, Topic::PullRequestsUpdated, &retargeted, "another project"),
        (OTHER_PROJECT, Topic::Pushes, &pushed, "another project"),
        (own.as_str(), Topic::Pushes, &retargeted, "delivers pushes"),
        (own.as_str(), Topic::Comments, &pushed, "delivers comments"),
    ] {
        let delivery = decided(&env, &gateway, &hook(project, topic), body).await;
        assert_eq!(delivery["outcome"], "quarantined", "{delivery}");
        assert!(delivery["reason"].as_str().unwrap().contains(reason), "{delivery}");
    }
    let runs = gateway.api.items("/v1/runs").await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0]["state"], "dispatched", "{runs:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_repository_that_azure_devops_lists_elsewhere_is_not_believed() {
    let env = Env::new(7002);
    env.disable_ci_reports();
    let gateway = Gateway::start_with(&env, |settings| {
        any_project(settings);
        managed(settings);
    })
    .await;
    env.until_hooks(&gateway.url, 4).await;
    let (id, commit) = env.open("topic");
    env.until_started("unit-tests", &commit).await;
    let mut body = payloads::pull_request(&env, id, "topic", &commit);
    body["resource"]["status"] = "abandoned".into();
    let project = serde_json::json!({ "id": OTHER_PROJECT, "name": "Tools" });
    body["resource"]["repository"]["project"] = project;
    let hook = hook(OTHER_PROJECT, Topic::PullRequestsUpdated);
    let delivery = decided(&env, &gateway, &hook, &body).await;
    assert_eq!(delivery["outcome"], "quarantined", "{delivery}");
    assert!(delivery["reason"].as_str().unwrap().contains("belongs to project"), "{delivery}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_cannot_take_the_name_of_another_one() {
    let env = Env::new(7003);
    let gateway = Gateway::start_with(&env, |settings| {
        managed(settings);
        settings.checks +=
            &crate::harness::check("secret", "on = [\"push\"]\nbranches = [\"main\"]")
                .replace("Fabrikam/*", "Tools/*");
    })
    .await;
    env.until_hooks(&gateway.url, 4).await;
    let old = env.shell.ado(|ado| ado.head(&env.repository, "main").unwrap().to_owned());
    let commit = "c".repeat(40);
    let mut body = payloads::push(&env, "main", &old, &commit, 1_000);
    body["resource"]["repository"]["project"]["name"] = "Tools".into();
    let delivery = decided(&env, &gateway, &hook(&env.project, Topic::Pushes), &body).await;
    assert_eq!(delivery["outcome"], "started", "{delivery}");
    let reason = delivery["reason"].as_str().unwrap();
    assert!(reason.contains("unit-tests started") && !reason.contains("secret"), "{delivery}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn numbers_that_another_hook_used_up_do_not_make_a_delivery_a_duplicate() {
    let env = Env::new(7004);
    let gateway = Gateway::without_hooks(&env, any_project).await;
    let old = env.shell.ado(|ado| ado.head(&env.repository, "main").unwrap().to_owned());
    let commit = env.push("main");
    let body = payloads::push(&env, "main", &old, &commit, 1);
    let forged = decided(&env, &gateway, &hook(OTHER_PROJECT, Topic::Pushes), &body).await;
    assert_eq!(forged["outcome"], "quarantined", "{forged}");
    let real = decided(&env, &gateway, &hook(&env.project, Topic::Pushes), &body).await;
    assert_eq!(real["outcome"], "started", "{real}");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_from_the_future_does_not_make_later_ones_stale() {
    let env = Env::new(7005);
    let gateway = Gateway::start_with(&env, |_| {}).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let mut body = payloads::pull_request(&env, id, "topic", &commit);
    body["createdDate"] = "2099-01-01T00:00:00Z".into();
    let hook = hook(&env.project, Topic::PullRequestsUpdated);
    decided(&env, &gateway, &hook, &body).await;
    let commit = env.push("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_hook_of_another_project_sends_changes_nothing() {
    let env = Env::new(7006);
    env.disable_ci_reports();
    let gateway = Gateway::start_with(&env, any_project).await;
    let (id, commit) = env.open("topic");
    env.until_started("unit-tests", &commit).await;
    let old = env.shell.ado(|ado| ado.head(&env.repository, "main").unwrap().to_owned());
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below).unwrap()
    };
    let times = ["1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "soon"];
    let statuses = ["active", "abandoned", "completed", "none"];
    for round in 0..200 {
        let mut body = match random(2) {
            0 => payloads::pull_request(&env, id, "topic", &commit),
            _ => payloads::push(&env, "main", &old, &commit, 1_000 + round),
        };
        body["createdDate"] = times[random(4)].into();
        if body["resource"]["pullRequestId"].is_number() {
            body["resource"]["status"] = statuses[random(4)].into();
            body["resource"]["targetRefName"] = format!("refs/heads/{}", random(3)).into();
        }
        if random(3) == 0 {
            body["resource"]["repository"]["project"]["name"] = "Tools".into();
        }
        if random(3) == 0 {
            body["resource"]["repository"]["project"] = Value::Null;
        }
        let topic = Topic::ALL[random(4)];
        let answer = env.deliver(&gateway.url, &hook(OTHER_PROJECT, topic), body.to_string()).await;
        assert_eq!(answer, StatusCode::ACCEPTED);
    }
    env.until_decided(&gateway.api).await;
    let runs = gateway.api.items("/v1/runs").await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    let pushed = env.push("topic");
    env.until_started("unit-tests", &pushed).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_gives_a_repository_no_former_name() {
    let env = Env::new(7007);
    let gateway = Gateway::without_hooks(&env, |settings| {
        managed(settings);
        let secret = crate::harness::check("secret", "on = [\"push\"]\nbranches = [\"main\"]");
        settings.checks += &secret.replace("Fabrikam/*", "Tools/web");
    })
    .await;
    env.until_hooks(&gateway.url, 4).await;
    let mut body = payloads::other("ms.vss-code.git-pullrequest-comment-event");
    body["resource"] = serde_json::json!({
        "oldName": "web",
        "repository": { "id": env.repository, "name": "web",
            "project": { "id": env.project, "name": "Tools" } },
    });
    decided(&env, &gateway, &hook(&env.project, Topic::Comments), &body).await;
    let commit = env.push("main");
    env.until_delivered().await;
    env.until_decided(&gateway.api).await;
    env.until_started("unit-tests", &commit).await;
    let runs = gateway.api.items("/v1/runs").await;
    assert!(runs.iter().all(|run| run["check"] == "unit-tests"), "{runs:?}");
    gateway.stop().await;
}
