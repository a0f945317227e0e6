//! Refusals: versions, tokens, scopes, permissions, what does not exist.

use serde_json::json;

use super::{Fixture, refusal};
use crate::ado::Permission;
use crate::faults::Rule;
use crate::http::Request;
use crate::neighbour::Neighbour as _;

const REPOSITORIES: &str = "/fabrikam/_apis/git/repositories";

#[test]
fn an_api_version_that_is_not_served_is_refused() {
    let mut fixture = Fixture::new();
    for (version, key) in [
        ("9.0", "VssVersionOutOfRangeException"),
        ("7.2", "VssInvalidPreviewVersionException"),
        ("latest", "VssInvalidApiVersionException"),
    ] {
        let request = Request::new("GET", &format!("{REPOSITORIES}?api-version={version}"));
        assert_eq!(refusal(&fixture.ask(request)), (400, key.to_owned()));
    }
    for accepted in ["7.1", "7.2-preview.1", "6.0"] {
        let accept = format!("application/json;api-version={accepted}");
        let request = Request::new("GET", REPOSITORIES).with_header("accept", &accept);
        assert_eq!(fixture.ask(request).status, 200, "{accepted}");
    }
    let unversioned = Request::new("POST", "/fabrikam/_apis/hooks/subscriptions");
    let answer = fixture.ask(unversioned.with_json(&json!({})));
    assert_eq!(refusal(&answer), (400, "VssVersionNotSpecifiedException".to_owned()));
}

#[test]
fn an_invalid_token_gets_the_sign_in_page() {
    let mut fixture = Fixture::new();
    let now_ms = fixture.world.now_ms();
    let service = fixture.service.clone();
    fixture.world.add_pat("expired", &service, &["vso.code"], now_ms);
    for pat in ["unknown", "expired"] {
        let request = Request::new("GET", REPOSITORIES).with_pat(pat);
        let answer = fixture.world.handle(&request, now_ms);
        assert_eq!(answer.status, 203);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"));
        let request = Request::new("PATCH", REPOSITORIES).with_pat(pat);
        let answer = fixture.world.handle(&request, now_ms);
        assert_eq!(refusal(&answer), (401, "UnauthorizedRequestException".to_owned()));
    }
}

#[test]
fn the_status_scope_reads_no_code_and_manages_no_hooks() {
    let mut fixture = Fixture::new();
    let (now_ms, service) = (fixture.world.now_ms(), fixture.service.clone());
    let id = fixture.pull_request();
    fixture.world.add_pat("status", &service, &["vso.code_status"], i64::MAX);
    let statuses = format!("{REPOSITORIES}/{}/pullRequests/{id}/statuses", fixture.repository);
    for (target, status) in [
        (REPOSITORIES, 401),
        ("/fabrikam/_apis/hooks/subscriptions", 401),
        (statuses.as_str(), 200),
        ("/fabrikam/_apis/connectionData", 200),
    ] {
        let request = Request::new("GET", target).with_pat("status");
        assert_eq!(fixture.world.handle(&request, now_ms).status, status, "{target}");
    }
}

#[test]
fn missing_things_and_missing_permissions_have_different_refusals() {
    let mut fixture = Fixture::new();
    let id = fixture.pull_request();
    let statuses = format!("git/repositories/{}/pullRequests/{id}/statuses", fixture.repository);
    let answer = fixture.get("git/repositories/nothing");
    assert_eq!(refusal(&answer), (404, "GitRepositoryNotFoundException".to_owned()));
    assert!(answer.body_json()["message"].as_str().unwrap().starts_with("TF401019"));
    let answer = fixture.get("git/repositories/web/pullrequests/99");
    assert_eq!(refusal(&answer), (404, "GitPullRequestNotFoundException".to_owned()));
    let service = fixture.service.clone();
    fixture.world.deny(&service, Permission::PullRequestContribute, None);
    let body = json!({"state": "pending", "context": {"name": "unit"}});
    let answer = fixture.send("POST", &statuses, &body);
    assert_eq!(refusal(&answer), (403, "GitNeedsPermissionException".to_owned()));
    fixture.world.allow(&service, Permission::PullRequestContribute);
    assert_eq!(fixture.send("POST", &statuses, &body).status, 200);
}

#[test]
fn an_organization_may_be_a_collection_of_a_server() {
    let mut fixture = Fixture::new();
    fixture.world.create_organization_at("onprem", "/tfs/Collection");
    let project = fixture.world.create_project("onprem", "Two words");
    let repository = fixture.world.create_repository(&project, "api");
    let request = Request::new("GET", "/tfs/collection/Two%20words/_apis/git/Repositories/API");
    let answer = fixture.ask(request).body_json();
    assert_eq!(answer["id"], repository);
    assert!(answer["url"].as_str().unwrap().contains("/tfs/Collection/"));
}

#[test]
fn a_fault_applies_only_to_requests_that_match_its_rule() {
    let mut fixture = Fixture::new();
    let part = "eventType=git.pullrequest.created";
    let broken = crate::faults::page_200();
    fixture.world.faults.add(Rule::new("GET", part, broken.clone()).nth(2));
    let mut decide = |method: &str, event_type: &str| {
        let target = format!("/fabrikam/_apis/hooks/subscriptions?eventType={event_type}");
        fixture.world.faults.decide(&Request::new(method, &target))
    };
    assert_eq!(decide("GET", "git.push"), None);
    assert_eq!(decide("POST", "git.pullrequest.created"), None);
    assert_eq!(decide("GET", "git.pullrequest.created"), None);
    assert_eq!(decide("GET", "git.pullrequest.created"), Some(broken));
    assert_eq!(decide("GET", "git.pullrequest.created"), None);
}
