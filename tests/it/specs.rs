//! Checks the requests to Azure DevOps against Microsoft's OpenAPI documents: verb, path, query,
//! and every property of the body and of the objects in it. The documents are not part of this
//! repository: without them the tests fail, unless `AZDO_GATEWAY_WITHOUT_SPECS` is set.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use azdo_gateway::ado::{
    Client, Credential, MaySend, Options, Throttle, Which, hook_url, http_client, settings,
};
use azdo_gateway::clock::Clock;
use azdo_gateway::domain::changed_files::{Base, Comparison};
use azdo_gateway::domain::comment::Comment;
use azdo_gateway::domain::event::Repository;
use azdo_gateway::domain::permission::Grant;
use azdo_gateway::domain::policy::Settings;
use azdo_gateway::domain::status::{Context, Shown, Status, Target};
use azdo_gateway::domain::subscription::{Desired, HookScope, Topic};
use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::secret::Secret;
use serde_json::Value;

/// What was sent: verb, path without query, query, body.
type Sent = (String, String, String, Value);

fn always() -> MaySend {
    Arc::new(|| true)
}

#[tokio::test]
async fn our_requests_are_in_the_specs() {
    let Some(spec) = spec("git-7.1.git.json") else { return };
    let (client, recorded) = recorded_client(5);
    let credential = || Credential::from_pat(&Secret::new("pat".into()));
    let on_pull_request = status(Target::PullRequest { id: 7, commit: None });
    let on_commit = status(Target::Commit { commit: "a".repeat(40) });

    client.iterations(credential(), ("fiber", "web"), 7).await.unwrap();
    client.post_status(credential(), &on_pull_request, Some(3), always()).await.unwrap();
    client.shown_status(credential(), &on_pull_request, Some(3)).await.unwrap();
    client.post_status(credential(), &on_commit, None, always()).await.unwrap();
    client.shown_status(credential(), &on_commit, None).await.unwrap();

    check_in_spec(&spec, recorded.join().unwrap());
}

#[tokio::test]
async fn what_catch_up_reads_is_in_the_specs() {
    let Some(git) = spec("git-7.1.git.json") else { return };
    let (client, recorded) = recorded_client(9);
    let credential = || Credential::from_pat(&Secret::new("pat".into()));
    let repository =
        Repository { id: "web".into(), project_id: "fiber".into(), ..Repository::default() };
    let (at, closed) = (Timestamp::ZERO, Which::ClosedSince(Timestamp::ZERO));
    client.pull_requests(credential(), "fiber", Which::Active, 0).await.unwrap();
    client.pull_requests(credential(), "fiber", closed, 100).await.unwrap();
    client.pull_request(credential(), "fiber", 7).await.unwrap();
    client.labels(credential(), &repository, 7).await.unwrap();
    client.refs(credential(), &repository, "heads/", None).await.unwrap();
    client.refs(credential(), &repository, "heads/", Some("after")).await.unwrap();
    client.pushes(credential(), &repository, at, 0).await.unwrap();
    client.commits_of_push(credential(), &repository, 3).await.unwrap();
    client.comments(credential(), &repository, 7).await.unwrap();
    let sent = recorded.join().unwrap();
    check_queries_in_spec(&git, &sent);
    check_in_spec(&git, sent);
}

#[tokio::test]
async fn our_question_about_changed_files_is_in_the_specs() {
    let Some(git) = spec("git-7.1.git.json") else { return };
    let (client, recorded) = recorded_client(2);
    let repository =
        Repository { id: "web".into(), project_id: "fiber".into(), ..Repository::default() };
    for base in [Base::Commit("a".repeat(40)), Base::Branch("main".into())] {
        let comparison = Comparison::new(&repository, base, &"b".repeat(40), true);
        let credential = Credential::from_pat(&Secret::new("pat".into()));
        // The answer that it gets is no list of changes: only what was asked counts here.
        client.diff(credential, &comparison, 2_000).await.unwrap_err();
    }
    let sent = recorded.join().unwrap();
    check_queries_in_spec(&git, &sent);
    check_in_spec(&git, sent);
}

/// Fails the test unless the document knows every key of every query.
fn check_queries_in_spec(spec: &Value, sent: &[Sent]) {
    for (verb, path, query, _) in sent {
        let operation = operation(spec, verb, path).expect("the specs have it");
        let known: Vec<_> = operation["parameters"].as_array().into_iter().flatten().collect();
        for (key, _) in url::form_urlencoded::parse(query.as_bytes()) {
            let is_known = known.iter().any(|one| one["name"] == *key) || key == "api-version";
            assert!(is_known, "{verb} {path}: the specs have no {key}");
        }
    }
}

#[tokio::test]
async fn our_questions_about_permissions_are_in_the_specs() {
    let Some(security) = spec("security-7.1.security.json") else { return };
    let Some(git) = spec("git-7.1.git.json") else { return };
    let credential = || Credential::from_pat(&Secret::new("pat".into()));
    let (client, recorded) = recorded_client(2);
    client.has(credential(), &[]).await.unwrap();
    let grant = Grant { namespace: "2e9eb7ed".into(), token: "repoV2/a".into(), bits: 2 };
    client.allow(credential(), &grant, "descriptor").await.unwrap();
    check_in_spec(&security, recorded.join().unwrap());
    let (client, recorded) = recorded_client(1);
    let repository =
        Repository { id: "web".into(), project_id: "fiber".into(), ..Repository::default() };
    client.probe_statuses(credential(), &repository).await.unwrap();
    check_in_spec(&git, recorded.join().unwrap());
}

#[tokio::test]
async fn what_a_command_asks_and_its_answer_are_in_the_specs() {
    let Some(security) = spec("security-7.1.security.json") else { return };
    let Some(git) = spec("git-7.1.git.json") else { return };
    let credential = || Credential::from_pat(&Secret::new("pat".into()));
    let repository =
        Repository { id: "web".into(), project_id: "fiber".into(), ..Repository::default() };
    let (client, recorded) = recorded_client(1);
    assert!(!client.may_contribute(credential(), &repository, "descriptor").await.unwrap());
    let sent = recorded.join().unwrap();
    check_queries_in_spec(&security, &sent);
    check_in_spec(&security, sent);
    let comment = Comment { repository, pull_request: 7, thread: 3, id: 1, ..Comment::default() };
    let answer = status(Target::Comment { pull_request: 7, thread: 3, comment: 1 });
    let (client, recorded) = recorded_client(3);
    // The answer that it gets is none: only what was asked counts here.
    client.comment(credential(), &comment).await.unwrap_err();
    client.answer_comment(credential(), &answer, (7, 3, 1), always()).await.unwrap();
    assert!(!client.has_answer(credential(), &answer, (7, 3, 1)).await.unwrap());
    check_in_spec(&git, recorded.join().unwrap());
}

#[tokio::test]
async fn our_hooks_are_in_the_specs() {
    let Some(spec) = spec("hooks-7.1.serviceHooks.json") else { return };
    let (client, recorded) = recorded_client(5 * Topic::ALL.len());
    let credential = || Credential::from_pat(&Secret::new("pat".into()));
    let password = Secret::new("hook-password".into());
    let public_url = url::Url::parse("https://gateway.example.com").unwrap();
    for topic in Topic::ALL {
        let hook_scope = HookScope { project_id: "fiber".into(), topic };
        let wanted = Desired {
            settings: settings(&hook_scope, &hook_url(&public_url, "fabrikam", "pushes-1")),
            hook_scope,
            project: "Fabrikam Fiber".into(),
            hook: "pushes-1".into(),
            checks: Vec::new(),
        };
        // The answers that these get are none: only what was asked counts here.
        client.subscriptions(credential(), topic).await.unwrap_err();
        client.create_subscription(credential(), &wanted, &password).await.unwrap_err();
        client.replace_subscription(credential(), "a", &wanted, &password).await.unwrap_err();
        client.test_subscription(credential(), "a", &wanted, &password).await.unwrap();
        client.delete_subscription(credential(), "a").await.unwrap();
    }
    check_in_spec(&spec, recorded.join().unwrap());
}

#[tokio::test]
async fn our_policies_are_in_the_specs() {
    let Some(spec) = spec("policy-7.1.policy.json") else { return };
    let (client, recorded) = recorded_client(4);
    let credential = || Credential::from_pat(&Secret::new("pat".into()));
    let settings = Settings {
        is_enabled: true,
        is_blocking: true,
        context: Context { genre: "ci".into(), name: "unit-tests".into() },
        author_id: None,
        resets_on_push: true,
        is_conditional: false,
        display_name: "ci/unit-tests".into(),
        file_patterns: Vec::new(),
        scopes: Vec::new(),
    };
    client.policies(credential(), "fiber", Some("17")).await.unwrap();
    // The answer that it gets is none: only what was asked counts here.
    client.create_policy(credential(), "fiber", &settings).await.unwrap_err();
    client.replace_policy(credential(), "fiber", 17, &settings).await.unwrap();
    client.delete_policy(credential(), "fiber", 17).await.unwrap();
    let sent = recorded.join().unwrap();
    let query = &sent[0].2;
    assert!(query.contains("policyType=cbdc66da-9728-4af8-aada-9a5a32e4a226"), "{query}");
    assert!(query.contains("continuationToken=17") && !query.contains("scope="), "{query}");
    check_in_spec(&spec, sent);
}

/// A client whose calls, so many, are recorded.
fn recorded_client(count: usize) -> (Client, JoinHandle<Vec<Sent>>) {
    let (url, recorded) = record(count);
    let url = url::Url::parse(&format!("{url}/fabrikam")).unwrap();
    let options =
        Options { name: "fabrikam".into(), identity_url: url.clone(), azure_devops_url: url };
    let throttle = Arc::new(Throttle::default());
    (Client::new(http_client().unwrap(), options, throttle, Clock::system()), recorded)
}

/// Fails the test unless the document describes everything that was sent.
fn check_in_spec(spec: &Value, sent: Vec<Sent>) {
    for (verb, path, query, body) in sent {
        let operation = operation(spec, &verb, &path);
        let operation = operation.unwrap_or_else(|| panic!("the specs have no {verb} {path}"));
        assert!(query.contains("api-version=7.1"), "{verb} {path}?{query}");
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let mut bodies = parameters.filter(|parameter| parameter["in"] == "body");
        let schema = bodies.next().map_or(&Value::Null, |parameter| &parameter["schema"]);
        assert!(body.is_null() || !schema.is_null(), "{verb} {path}: the specs have no body");
        let unknown = unknown_properties(spec, schema, &body, "");
        assert!(unknown.is_empty(), "{verb} {path}: the specs have no {}", unknown.join(", "));
        println!("{verb} {path}: in the specs");
    }
}

fn status(target: Target) -> Status {
    Status {
        organization: "fabrikam".into(),
        project: "Fabrikam Fiber".into(),
        repository: "web".into(),
        target,
        context: Context { genre: "ci".into(), name: "unit-tests".into() },
        state: Shown::Succeeded,
        description: "412 tests passed".into(),
        url: Some("https://ci.example.com/42".into()),
        run: None,
    }
}

fn spec(name: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/specs").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(
            std::env::var_os("AZDO_GATEWAY_WITHOUT_SPECS").is_some(),
            "{} is missing: set AZDO_GATEWAY_WITHOUT_SPECS=1 to leave out the checks against it",
            path.display()
        );
        println!("not checked: {name}, since AZDO_GATEWAY_WITHOUT_SPECS is set");
        return None;
    };
    Some(serde_json::from_str(text.trim_start_matches('\u{feff}')).expect("the spec is JSON"))
}

/// Answers so many requests with an empty list and keeps what was sent.
fn record(count: usize) -> (String, JoinHandle<Vec<Sent>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let recorded = std::thread::spawn(move || {
        let answer = |_| {
            let (mut stream, _) = listener.accept().expect("somebody connects");
            let mut reader = BufReader::new(stream.try_clone().expect("a socket can be shared"));
            let sent = read_request(&mut reader);
            let body = r#"{"count":0,"value":[]}"#;
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json";
            let length = body.len();
            write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{body}").expect("it listens");
            sent
        };
        (0..count).map(answer).collect()
    });
    (url, recorded)
}

fn read_request(reader: &mut impl BufRead) -> Sent {
    let mut lines = reader.by_ref().lines().map(|line| line.expect("the request is whole"));
    let first = lines.next().expect("there is a request line");
    let mut words = first.split(' ');
    let (verb, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (verb, path, query) = (verb.to_owned(), path.to_owned(), query.to_owned());
    let length = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.to_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
        })
        .sum();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the body is whole");
    (verb, path, query, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// The operation whose path has the same segments, whatever stands for its parameters.
fn operation<'s>(spec: &'s Value, verb: &str, path: &str) -> Option<&'s Value> {
    let given: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let is_it = |template: &String| {
        let wanted: Vec<&str> = template.trim_start_matches('/').split('/').collect();
        let same = |(wanted, given): (&&str, &&str)| {
            wanted.starts_with('{') || wanted.eq_ignore_ascii_case(given)
        };
        wanted.len() == given.len() && wanted.iter().zip(&given).all(same)
    };
    let paths = spec["paths"].as_object()?;
    let found = paths.iter().filter(|(template, _)| is_it(template));
    found.filter_map(|(_, verbs)| verbs.get(verb.to_lowercase())).next()
}

/// The properties of a value, and of the objects in it, that its schema does not have. What a
/// schema only calls an object may have any.
fn unknown_properties(spec: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let schema = resolved(spec, schema);
    if let Some(items) = value.as_array() {
        let of_item = |item| unknown_properties(spec, &schema["items"], item, &format!("{at}[]"));
        return items.iter().flat_map(of_item).collect();
    }
    let known = properties(spec, schema);
    if known.is_empty() {
        return Vec::new();
    }
    let of_property = |(name, value): (&String, &Value)| {
        let at = format!("{at}.{name}");
        match known.iter().find(|(known, _)| *known == name) {
            Some((_, schema)) => unknown_properties(spec, schema, value, &at),
            None => vec![at],
        }
    };
    value.as_object().into_iter().flatten().flat_map(of_property).collect()
}

/// The definition that a schema refers to, or the schema itself. A `JObject` stands for any object.
fn resolved<'s>(spec: &'s Value, schema: &'s Value) -> &'s Value {
    match schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/definitions/")) {
        Some("JObject") => &Value::Null,
        Some(name) => &spec["definitions"][name],
        None => schema,
    }
}

fn properties<'s>(spec: &'s Value, schema: &'s Value) -> Vec<(&'s String, &'s Value)> {
    let own = schema["properties"].as_object().into_iter().flatten();
    let inherited = schema["allOf"].as_array().into_iter().flatten();
    own.chain(inherited.flat_map(|part| properties(spec, resolved(spec, part)))).collect()
}
