//! CI systems with an API of their own, over sockets: paths, queries and headers arrive as sent.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which may panic as tests may")]

use std::time::Duration;

use fakes::shell::Shell;
use fakes::systems::{State, System, github_actions, gitlab};
use fakes::{ado, ci};
use serde_json::{Value, json};

/// The bound of each call. It is answered within milliseconds, unless the machine is very busy.
const LIMIT: Duration = Duration::from_secs(30);

/// A shell that serves one system, a client, and the URL of the system.
fn served(system: Box<dyn System>) -> (Shell, reqwest::Client, String) {
    let ado = ado::World::new(7, ado::Options::loopback());
    let shell = Shell::start(ado, ci::World::new(7), None).unwrap();
    let url = shell.add_system("builder", system);
    let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build().unwrap();
    (shell, client, url)
}

#[tokio::test]
async fn a_project_whose_path_is_one_segment_is_found() {
    let world = gitlab::World::new(1);
    let (token, trigger) = (world.token().to_owned(), world.trigger_token().to_owned());
    let (shell, client, url) = served(Box::new(world));
    let project = format!("{url}/api/v4/projects/group%2Fpipelines");
    let body = json!({"token": trigger, "ref": "main", "variables": {"AZDO_GATEWAY_RUN": "r-1"}});
    let start = client.post(format!("{project}/trigger/pipeline")).json(&body);
    let answer = start.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let answer: Value = answer.json().await.unwrap();
    assert!(answer["web_url"].as_str().unwrap().starts_with(&url));
    let number = answer["id"].as_u64().unwrap();
    shell.system("builder", |system| system.builds().set_state(number, State::Running));
    let list = format!("{project}/pipelines?updated_after=2026-01-05T09:00:00%2B00:00");
    let list = client.get(list).header("PRIVATE-TOKEN", token).send().await.unwrap();
    let list: Value = list.json().await.unwrap();
    assert_eq!((&list[0]["id"], &list[0]["status"]), (&json!(number), &json!("running")));
}

#[tokio::test]
async fn a_caller_without_a_user_agent_is_refused_and_no_page_is_sent_twice() {
    let world = github_actions::World::new(1);
    let token = world.token().to_owned();
    let (shell, client, url) = served(Box::new(world));
    let actions = format!("{url}/repos/octo-org/pipelines/actions");
    let body = json!({"ref": "main", "inputs": {"azdo_gateway_run": "r-1"}});
    let start = format!("{actions}/workflows/build.yml/dispatches");
    let start = || client.post(&start).bearer_auth(&token).json(&body);
    assert_eq!(start().send().await.unwrap().status(), 403);
    assert_eq!(start().header("user-agent", "test").send().await.unwrap().status(), 204);
    let number = shell.system("builder", |system| system.builds().all()[0].number).unwrap();
    let get = || {
        let get = client.get(format!("{actions}/runs/{number}"));
        get.bearer_auth(&token).header("user-agent", "test")
    };
    let first = get().send().await.unwrap();
    let tag = first.headers()["etag"].clone();
    let again = get().header("if-none-match", tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
}
