//! What may be started, and by whom.

use serde_json::json;

use super::{NOT_QUEUED, Pipelines, at, with_run};
use crate::ado::tests::refusal;
use crate::ado::{ParameterKind, Permission, QueueStatus, TemplateParameter};
use crate::http::Request;
use crate::neighbour::Neighbour as _;
use crate::systems::State;

const BUILD: &str = "33344d9c-fc72-4d6f-aba5-fa317101a7e9";
const NOT_ALLOWED: &str = "PipelineValidationException";

#[test]
fn parameters_must_be_declared_and_fit() {
    let mut pipelines = Pipelines::new();
    let declared = &mut pipelines.fixture.world.pipeline_mut(pipelines.pipeline).parameters;
    declared.push(TemplateParameter::required("target"));
    let kind = ParameterKind::Boolean;
    declared.push(TemplateParameter { kind, ..TemplateParameter::optional("fast") });
    let values = vec!["a".to_owned()];
    declared.push(TemplateParameter { values, ..TemplateParameter::optional("one") });
    for parameters in [
        json!({}),
        json!({"target": "x", "unknown": "y"}),
        json!({"target": "x", "fast": "maybe"}),
        json!({"target": "x", "one": "b"}),
    ] {
        let body = json!({"templateParameters": parameters});
        let expected = (400, NOT_ALLOWED.to_owned());
        assert_eq!(refusal(&pipelines.run(&body)), expected, "{body}");
        assert_eq!(refusal(&pipelines.preview(&body)), expected, "{body}");
    }
    for body in [
        json!({"templateParameters": {"target": 1}}),
        json!({"templateParameters": {"target": "x"}, "parameters": {}}),
        json!({"templateParameters": {"target": "x"}, "yamlOverride": "steps: []"}),
        json!([]),
    ] {
        assert_eq!(pipelines.run(&body).status, 400, "{body}");
    }
    for body in [
        json!({"templateParameters": {"target": "x"}, "variables": {"mode": {"value": "y"}}}),
        json!({"templateParameters": {"target": "x"}, "stagesToSkip": ["Test"]}),
        json!({"templateParameters": {"target": "x"},
            "resources": {"repositories": {"tools": {"refName": "refs/heads/main"}}}}),
    ] {
        assert_eq!(refusal(&pipelines.run(&body)), (400, NOT_ALLOWED.to_owned()), "{body}");
    }
    let fits = json!({"templateParameters": {"TARGET": "x", "fast": "True", "one": "a"}});
    pipelines.started(&fits);
    assert_eq!(pipelines.numbers("").len(), 1, "refused ones start nothing");
}

#[test]
fn the_yaml_is_that_of_the_ref() {
    let mut pipelines = Pipelines::new();
    let id = pipelines.fixture.pull_request();
    let merge = format!("refs/pull/{id}/merge");
    let world = &mut pipelines.fixture.world;
    let commit = world.pull_request(id).merge_commit.clone().unwrap();
    let own = vec![TemplateParameter::optional("other")];
    let pipeline = world.pipeline_mut(pipelines.pipeline);
    pipeline.parameters_at.insert(merge.clone(), Some(own));
    pipeline.parameters_at.insert("refs/heads/topic".to_owned(), None);
    let mut body = at(&merge, Some(&commit));
    body["templateParameters"] = json!({"azdo_gateway_run": "run-1"});
    assert_eq!(refusal(&pipelines.run(&body)), (400, NOT_ALLOWED.to_owned()));
    let answer = pipelines.run(&at("refs/heads/topic", None));
    assert_eq!(refusal(&answer), (400, NOT_QUEUED.to_owned()));
    let results = &answer.body_json()["customProperties"]["ValidationResults"];
    assert!(results[0]["message"].as_str().unwrap().contains("not found"), "{results}");
    assert_eq!(results[0]["result"], "error");
    let number = pipelines.started(&at(&merge, None));
    assert_eq!(pipelines.build(number)["sourceVersion"], json!(commit));
}

#[test]
fn only_what_is_there_is_built() {
    let mut pipelines = Pipelines::new();
    let id = pipelines.fixture.pull_request();
    let merge = format!("refs/pull/{id}/merge");
    let world = &mut pipelines.fixture.world;
    let topic = world.head(&pipelines.fixture.repository, "topic").unwrap().to_owned();
    let unknown = "1".repeat(40);
    for (git_ref, version, status) in [
        ("refs/heads/main", None, 200),
        ("refs/heads/main", Some(topic.as_str()), 400),
        ("refs/heads/topic", Some(topic.as_str()), 200),
        ("refs/heads/topic", Some(unknown.as_str()), 400),
        ("refs/heads/missing", None, 400),
        ("main", None, 400),
        ("refs/pull/99/merge", None, 400),
        (merge.as_str(), Some(topic.as_str()), 200),
    ] {
        let answer = pipelines.run(&at(git_ref, version));
        assert_eq!(answer.status, status, "{git_ref} {version:?}: {}", answer.body_json());
        if status == 400 {
            assert_eq!(refusal(&answer).1, NOT_QUEUED);
        }
    }
    pipelines.fixture.world.set_conflicts(id, true);
    pipelines.fixture.world.push(&pipelines.fixture.repository.clone(), "topic", "Conflict");
    let answer = pipelines.run(&at(&merge, None));
    assert_eq!(refusal(&answer), (400, NOT_QUEUED.to_owned()), "there is nothing merged");
}

#[test]
fn pipelines_that_take_no_builds_say_so() {
    let mut pipelines = Pipelines::new();
    let id = pipelines.pipeline;
    pipelines.fixture.world.pipeline_mut(id).queue_status = QueueStatus::Disabled;
    let answer = pipelines.run(&json!({}));
    assert_eq!(refusal(&answer), (400, "DefinitionDisabledException".to_owned()));
    assert_eq!(pipelines.get(&format!("build/definitions/{id}"))["queueStatus"], "disabled");
    let pipeline = pipelines.fixture.world.pipeline_mut(id);
    pipeline.queue_status = QueueStatus::Paused;
    pipeline.builds.initial = State::Running;
    let number = pipelines.started(&json!({}));
    assert_eq!(pipelines.build(number)["status"], "notStarted", "a paused one lets builds wait");
    pipelines.fixture.world.pipeline_mut(id).problems = vec!["No pool was specified.".to_owned()];
    let answer = pipelines.run(&json!({}));
    assert_eq!(refusal(&answer), (400, NOT_QUEUED.to_owned()));
    let body = answer.body_json();
    assert!(!body["message"].as_str().unwrap().contains("pool"), "the message hides it");
    let reason = &body["customProperties"]["ValidationResults"][0]["message"];
    assert_eq!(reason, "No pool was specified.");
}

#[test]
fn each_call_needs_its_scope_and_its_permission() {
    let mut pipelines = Pipelines::new();
    let number = pipelines.started(&json!({}));
    let (id, service) = (pipelines.pipeline, pipelines.fixture.service.clone());
    let world = &mut pipelines.fixture.world;
    world.add_pat("reader", &service, &["vso.build"], i64::MAX);
    world.add_pat("coder", &service, &["vso.code_full"], i64::MAX);
    let run = format!("pipelines/{id}/runs");
    let (build, tag) = (format!("build/builds/{number}"), format!("build/builds/{number}/tags/x"));
    let cancel = json!({"status": "cancelling"});
    for (method, path, body, as_reader) in [
        ("POST", run.clone(), Some(json!({})), 401),
        ("POST", format!("pipelines/{id}/preview"), Some(json!({})), 200),
        ("GET", format!("{run}/{number}"), None, 200),
        ("GET", "build/builds".to_owned(), None, 200),
        ("GET", build.clone(), None, 200),
        ("GET", format!("build/definitions/{id}"), None, 200),
        ("PATCH", build.clone(), Some(cancel.clone()), 401),
        ("PUT", tag.clone(), None, 401),
    ] {
        let answer = pipelines.ask_as("reader", method, &path, body.as_ref());
        assert_eq!(answer.status, as_reader, "{method} {path}: {}", answer.body_json());
        assert_eq!(pipelines.ask_as("coder", method, &path, body.as_ref()).status, 401);
        let stranger = pipelines.ask_as("unknown", method, &path, body.as_ref());
        let expected = if matches!(method, "GET" | "POST") { 203 } else { 401 };
        assert_eq!(stranger.status, expected, "{method} {path}");
    }
    for (permission, method, path, body) in [
        (Permission::QueueBuilds, "POST", &run, Some(json!({}))),
        (Permission::StopBuilds, "PATCH", &build, Some(cancel)),
        (Permission::EditBuildQuality, "PUT", &tag, None),
    ] {
        pipelines.fixture.world.deny_for_pipeline(&service, permission, id);
        let answer = pipelines.ask(method, path, body.as_ref());
        assert_eq!(refusal(&answer), (403, "AccessDeniedException".to_owned()), "{path}");
    }
    let other = pipelines.fixture.world.create_pipeline(&pipelines.fixture.repository, "other");
    let elsewhere = pipelines.ask("POST", &format!("pipelines/{other}/runs"), Some(&json!({})));
    assert_eq!(elsewhere.status, 200, "another pipeline is not concerned");
    pipelines.fixture.world.deny_for_pipeline(&service, Permission::ViewBuilds, id);
    for (path, key) in [
        (build, "BuildNotFoundException"),
        (format!("{run}/{number}"), "PipelineNotFoundException"),
        (format!("build/definitions/{id}"), "DefinitionNotFoundException"),
    ] {
        assert_eq!(refusal(&pipelines.ask("GET", &path, None)), (404, key.to_owned()));
    }
    assert_eq!(pipelines.numbers(&format!("definitions={id}")), [0_u64; 0]);
}

#[test]
fn permissions_on_a_pipeline_can_be_asked_for() {
    let mut pipelines = Pipelines::new();
    let (id, service) = (pipelines.pipeline, pipelines.fixture.service.clone());
    let project = pipelines.fixture.project.clone();
    pipelines.fixture.world.deny_for_pipeline(&service, Permission::QueueBuilds, id);
    let mut has = |bits: u32, token: &str| {
        let target = format!("permissions/{BUILD}/{bits}?tokens={token}");
        pipelines.fixture.get(&target).body_json()["value"][0] == true
    };
    assert!(has(128, &project) && !has(128, &format!("{project}/{id}")));
    assert!(has(1 + 512, &format!("{project}/folder/{id}")));
    assert!(!has(1, &format!("{project}/99")), "there is no such pipeline");
}

#[test]
fn a_minted_token_is_for_one_call_of_its_scope() {
    let mut pipelines = Pipelines::new();
    let service = pipelines.fixture.service.clone();
    let world = &mut pipelines.fixture.world;
    world.add_user_bearer("person", &service, &["vso.pats", "vso.pats_manage"], i64::MAX);
    world.expects_single_use(true);
    let valid_to = crate::timestamp::rfc3339(world.now_ms() + 60_000);
    let body = json!({"displayName": "azdo-gateway/x", "scope": "vso.build_execute",
        "validTo": valid_to, "allOrgs": false});
    let request = Request::new("POST", "/fabrikam/_apis/tokens/pats?api-version=7.1-preview.1");
    let now_ms = world.now_ms();
    let minted = world.handle(&request.with_bearer("person").with_json(&body), now_ms).body_json();
    let secret = minted["patToken"]["token"].as_str().unwrap().to_owned();
    let path = format!("pipelines/{}/runs", pipelines.pipeline);
    assert_eq!(pipelines.ask_as(&secret, "POST", &path, Some(&json!({}))).status, 200);
    assert_eq!(pipelines.fixture.world.violations(), [""; 0]);
    assert_eq!(pipelines.ask_as(&secret, "GET", "build/builds", None).status, 200);
    let violations = pipelines.fixture.world.violations().join("\n");
    assert!(violations.contains("used 2 times"), "{violations}");
    assert!(violations.contains("vso.build_execute is more than"), "{violations}");
}

#[test]
fn a_preview_starts_nothing() {
    let mut pipelines = Pipelines::new();
    let answer = pipelines.preview(&with_run("a"));
    assert!(answer.body_json()["finalYaml"].as_str().unwrap().contains("stages:"));
    let mut body = with_run("a");
    body["previewRun"] = json!(true);
    body["yamlOverride"] = json!("steps: []");
    let answer = pipelines.run(&body).body_json();
    assert!(answer["finalYaml"].as_str().unwrap().contains("steps: []"));
    assert_eq!(pipelines.numbers(""), [0_u64; 0]);
    let answer = pipelines.preview(&at("refs/heads/missing", None));
    assert_eq!(refusal(&answer), (400, NOT_QUEUED.to_owned()));
    let unknown = pipelines.ask("POST", "pipelines/99/preview", Some(&json!({})));
    assert_eq!(refusal(&unknown), (404, "PipelineNotFoundException".to_owned()));
}
