//! Compares the fake ADO with Microsoft's OpenAPI documents and sample payloads.
//!
//! A fake that invents properties would let the gateway rely on them. The documents are not part of
//! this repository: where they are missing the tests fail, unless `AZDO_GATEWAY_WITHOUT_SPECS=1`
//! says that nothing is to be checked.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, which may panic as tests may"
)]

#[path = "spec/definitions.rs"]
mod definitions;
#[path = "spec/fixture.rs"]
mod fixture;

use definitions::{Spec, published};
use fixture::Fixture;
use serde_json::{Value, json};

const GIT: &str = "/{organization}/{project}/_apis/git";
const POLICY: &str = "/{organization}/{project}/_apis/policy";
const HOOKS: &str = "/{organization}/_apis/hooks";

#[test]
fn git_answers_have_only_known_properties() {
    let Some(spec) = Spec::load("git-7.1.git.json") else { return };
    let fixture = Fixture::new();
    let (repository, commit) = (&fixture.repository, &fixture.head);
    let one = "/repositories/{repositoryId}";
    for (path, target) in [
        ("/repositories".to_owned(), "/repositories".to_owned()),
        (one.to_owned(), format!("/repositories/{repository}")),
        (format!("{one}/refs"), format!("/repositories/{repository}/refs?peelTags=true")),
        (
            format!("{one}/pushes"),
            format!("/repositories/{repository}/pushes?searchCriteria.includeRefUpdates=true"),
        ),
        (
            format!("{one}/pushes/{{pushId}}"),
            format!("/repositories/{repository}/pushes/1?includeCommits=9"),
        ),
        (
            format!("{one}/commits/{{commitId}}"),
            format!("/repositories/{repository}/commits/{commit}"),
        ),
        (
            format!("{one}/commits/{{commitId}}/changes"),
            format!("/repositories/{repository}/commits/{commit}/changes"),
        ),
        (
            format!("{one}/diffs/commits"),
            format!(
                "/repositories/{repository}/diffs/commits?baseVersionType=commit\
                 &baseVersion={commit}&targetVersionType=branch&targetVersion=main"
            ),
        ),
        (
            format!("{one}/commits/{{commitId}}/statuses"),
            format!("/repositories/{repository}/commits/{commit}/statuses"),
        ),
        (
            format!("{one}/pullrequests"),
            format!("/repositories/{repository}/pullrequests?searchCriteria.status=all"),
        ),
        ("/pullrequests/{pullRequestId}".to_owned(), format!("/pullrequests/{}", fixture.fork)),
    ] {
        spec.check("get", &format!("{GIT}{path}"), fixture.get(&format!("git{target}")));
    }
}

#[test]
fn pull_request_answers_have_only_known_properties() {
    let Some(spec) = Spec::load("git-7.1.git.json") else { return };
    let fixture = Fixture::new();
    let repository = &fixture.repository;
    let one = "/repositories/{repositoryId}";
    for path in ["", "/iterations", "/iterations/{iterationId}", "/statuses", "/threads", "/labels"]
    {
        let target = path.replace("{iterationId}", "2");
        let name = if path.is_empty() { "pullrequests" } else { "pullRequests" };
        let path = format!("{GIT}{one}/{name}/{{pullRequestId}}{path}");
        let number = fixture.pull_request;
        let target = format!("git/repositories/{repository}/pullRequests/{number}{target}");
        spec.check("get", &path, fixture.get(&target));
    }
}

#[test]
fn comments_have_only_known_properties() {
    let Some(spec) = Spec::load("git-7.1.git.json") else { return };
    let fixture = Fixture::new();
    let (repository, number) = (&fixture.repository, fixture.pull_request);
    let of = format!("git/repositories/{repository}/pullRequests/{number}/threads/1/comments");
    let path = format!(
        "{GIT}/repositories/{{repositoryId}}/pullRequests/{{pullRequestId}}/threads/{{threadId}}\
         /comments"
    );
    spec.check("get", &path, fixture.get(&of));
    spec.check("get", &format!("{path}/{{commentId}}"), fixture.get(&format!("{of}/1")));
    let body = json!({"content": "seen", "parentCommentId": 1, "commentType": "text"});
    spec.check_request("post", &path, &body);
    spec.check("post", &path, fixture.send("POST", &of, &body));
}

#[test]
fn posted_statuses_have_only_known_properties() {
    let Some(spec) = Spec::load("git-7.1.git.json") else { return };
    let fixture = Fixture::new();
    let body = json!({
        "state": "succeeded",
        "description": "it works",
        "targetUrl": "https://ci.example.com/1",
        "context": {"name": "unit", "genre": "ci"},
    });
    let (repository, number) = (&fixture.repository, fixture.pull_request);
    let statuses = format!("git/repositories/{repository}/pullRequests/{number}");
    let pull_request =
        format!("{GIT}/repositories/{{repositoryId}}/pullRequests/{{pullRequestId}}");
    for (path, target) in [
        ("/statuses", "/statuses"),
        ("/iterations/{iterationId}/statuses", "/iterations/1/statuses"),
    ] {
        let answer = fixture.send("POST", &format!("{statuses}{target}"), &body);
        spec.check_request("post", &format!("{pull_request}{path}"), &body);
        spec.check("post", &format!("{pull_request}{path}"), answer);
    }
    let target = format!("git/repositories/{repository}/commits/{}/statuses", fixture.head);
    let path = format!("{GIT}/repositories/{{repositoryId}}/commits/{{commitId}}/statuses");
    spec.check("post", &path, fixture.send("POST", &target, &body));
    for method in ["patch", "delete"] {
        let item = if method == "delete" { "/{statusId}" } else { "" };
        spec.expect_operation(
            method,
            &format!("{pull_request}/iterations/{{iterationId}}/statuses{item}"),
        );
    }
}

#[test]
fn policy_answers_have_only_known_properties() {
    let Some(spec) = Spec::load("policy-7.1.policy.json") else { return };
    let fixture = Fixture::new();
    let body = fixture.policy();
    spec.check_request("post", &format!("{POLICY}/configurations"), &body);
    let answer = fixture.send("POST", "policy/configurations", &body);
    spec.check("post", &format!("{POLICY}/configurations"), answer);
    let one = format!("{POLICY}/configurations/{{configurationId}}");
    spec.check("get", &format!("{POLICY}/configurations"), fixture.get("policy/configurations"));
    spec.check("get", &one, fixture.get("policy/configurations/1"));
    spec.check("put", &one, fixture.send("PUT", "policy/configurations/1", &body));
    let artifact =
        format!("vstfs:///CodeReview/CodeReviewId/{}/{}", fixture.project, fixture.pull_request);
    let target = format!("policy/evaluations?artifactId={artifact}");
    spec.check("get", &format!("{POLICY}/evaluations"), fixture.get_preview(&target));
    spec.expect_operation("delete", &one);
    let Some(spec) = Spec::load("git-7.1.git.json") else { return };
    let target = format!("git/policy/configurations?repositoryId={}", fixture.repository);
    spec.check("get", &format!("{GIT}/policy/configurations"), fixture.get(&target));
}

#[test]
fn hook_answers_have_only_known_properties() {
    let Some(spec) = Spec::load("hooks-7.1.serviceHooks.json") else { return };
    let fixture = Fixture::new();
    let body = fixture.subscription_body("git.push", "1.0");
    spec.check_request("post", &format!("{HOOKS}/subscriptions"), &body);
    let answer = fixture.send("POST", "hooks/subscriptions", &body);
    let id = answer["id"].as_str().unwrap().to_owned();
    spec.check("post", &format!("{HOOKS}/subscriptions"), answer);
    let one = format!("{HOOKS}/subscriptions/{{subscriptionId}}");
    let target = format!("hooks/subscriptions/{id}");
    spec.check("get", &format!("{HOOKS}/subscriptions"), fixture.get("hooks/subscriptions"));
    spec.check("get", &one, fixture.get(&target));
    spec.check("put", &one, fixture.send("PUT", &target, &body));
    fixture.push();
    let all = fixture.get(&format!("{target}/notifications"));
    assert_eq!(all["count"], 1);
    spec.check("get", &format!("{one}/notifications"), all);
    let query = json!({"publisherId": "tfs", "eventType": "git.push"});
    spec.check_request("post", &format!("{HOOKS}/subscriptionsquery"), &query);
    let answer = fixture.send("POST", "hooks/subscriptionsquery", &query);
    assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    spec.check("post", &format!("{HOOKS}/subscriptionsquery"), answer);
    let query = json!({"subscriptionIds": [id], "includeDetails": true});
    spec.check_request("post", &format!("{HOOKS}/notificationsquery"), &query);
    let answer = fixture.send("POST", "hooks/notificationsquery", &query);
    assert_eq!(answer["summary"][0]["results"][0]["notificationCount"], 1);
    spec.check("post", &format!("{HOOKS}/notificationsquery"), answer);
    let mut details = body;
    details.as_object_mut().unwrap().remove("resourceVersion");
    let test = json!({"subscriptionId": id, "details": details});
    spec.check_request("post", &format!("{HOOKS}/testnotifications"), &test);
    let answer = fixture.send("POST", "hooks/testnotifications", &test);
    spec.check("post", &format!("{HOOKS}/testnotifications"), answer);
    spec.expect_operation("delete", &one);
}

#[test]
fn token_answers_have_only_known_properties() {
    let fixture = Fixture::new();
    let path = "/{organization}/_apis/tokens/pats";
    let created = fixture.mint("7.1-preview.1", "vso.code");
    let id = created["patToken"]["authorizationId"].as_str().unwrap();
    let one = fixture.pats("7.1-preview.1", "GET", &format!("&authorizationId={id}"), None);
    let all = fixture.pats("7.1-preview.1", "GET", "&displayFilterOption=all", None);
    let change = json!({"authorizationId": id, "displayName": "azdo-gateway/changed"});
    let changed = fixture.pats("7.1-preview.1", "PUT", "", Some(&change));
    let refused = fixture.mint("7.1-preview.1", "vso.nothing");
    if let Some(spec) = Spec::load("tokens-7.1.tokens.json") {
        spec.check("post", path, created);
        spec.check("post", path, refused);
        spec.check("get", path, one);
        spec.check("put", path, changed);
        spec.expect_operation("delete", path);
        spec.check_other("get", &format!("{path}?"), all);
    }
    let refused = fixture.mint("7.2-preview.1", "vso.nothing");
    assert!(refused["patTokenErrorMessage"].is_string());
    if let Some(spec) = Spec::load("tokens-7.2.tokens.json") {
        spec.check("post", path, refused);
    }
}

#[test]
fn security_answers_have_only_known_properties() {
    let Some(spec) = Spec::load("security-7.1.security.json") else { return };
    let fixture = Fixture::new();
    let namespace = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87";
    let token = format!("repoV2/{}", fixture.project);
    let one = json!({"securityNamespaceId": namespace, "token": token, "permissions": 2});
    let (path, batch) = (
        "/{organization}/_apis/security/permissionevaluationbatch",
        json!({"alwaysAllowAdministrators": false, "evaluations": [one]}),
    );
    spec.check_request("post", path, &batch);
    let target = "security/permissionevaluationbatch";
    let answer = fixture.at_organization("POST", target, Some(&batch));
    assert_eq!(answer["evaluations"][0]["value"], true);
    spec.check("post", path, answer);
    let found = fixture.at_organization(
        "GET",
        "identities?searchFilter=General&filterValue=svc@fabrikam.example",
        None,
    );
    let descriptor = found["value"][0]["descriptor"].as_str().unwrap();
    let query = format!("token={token}&descriptors={descriptor}&includeExtendedInfo=true");
    let query = query.replace('\\', "%5C");
    let lists =
        fixture.at_organization("GET", &format!("accesscontrollists/{namespace}?{query}"), None);
    let entry = &lists["value"][0]["acesDictionary"][descriptor];
    assert_eq!(entry["extendedInfo"]["effectiveAllow"].as_u64().map(|bits| bits & 4), Some(4));
    spec.expect_operation("get", "/{organization}/_apis/accesscontrollists/{securityNamespaceId}");
    let entry = json!({"descriptor": found["value"][0]["descriptor"], "allow": 2, "deny": 0});
    let body = json!({"token": token, "merge": true, "accessControlEntries": [entry]});
    let target = format!("accesscontrolentries/{namespace}");
    let answer = fixture.at_organization("POST", &target, Some(&body));
    let path = "/{organization}/_apis/accesscontrolentries/{securityNamespaceId}";
    spec.check("post", path, answer);
}

#[test]
fn pipeline_requests_and_answers_have_only_known_properties() {
    let fixture = Fixture::new();
    let id = fixture.pipeline;
    let body = fixture.run_body();
    let send =
        |method: &str, path: &str, body: Option<&Value>| fixture.at_project(method, path, body);
    let preview = send("POST", &format!("pipelines/{id}/preview"), Some(&body));
    let started = send("POST", &format!("pipelines/{id}/runs"), Some(&body));
    let number = started["id"].as_u64().unwrap();
    let run = send("GET", &format!("pipelines/{id}/runs/{number}"), None);
    if let Some(spec) = Spec::load("pipelines-7.1.pipelines.json") {
        let one = "/{organization}/{project}/_apis/pipelines/{pipelineId}";
        for path in ["preview", "runs"] {
            spec.check_request("post", &format!("{one}/{path}"), &body);
        }
        spec.check("post", &format!("{one}/preview"), preview);
        spec.check("post", &format!("{one}/runs"), started);
        spec.check("get", &format!("{one}/runs/{{runId}}"), run);
    }
    let Some(spec) = Spec::load("build-7.1.build.json") else { return };
    let builds = "/{organization}/{project}/_apis/build/builds";
    let one = format!("{builds}/{{buildId}}");
    let path = format!("build/builds/{number}");
    let tags = send("PUT", &format!("{path}/tags/azdo-gateway"), None);
    spec.check("put", &format!("{one}/tags/{{tag}}"), tags);
    spec.check("get", builds, send("GET", "build/builds", None));
    spec.check("get", &one, send("GET", &path, None));
    let cancel = json!({"status": "cancelling"});
    spec.check_request("patch", &one, &cancel);
    spec.check("patch", &one, send("PATCH", &path, Some(&cancel)));
    fixture.fail_validation(number);
    spec.check("get", &one, send("GET", &path, None));
    let definition = send("GET", &format!("build/definitions/{id}"), None);
    let path = "/{organization}/{project}/_apis/build/definitions/{definitionId}";
    spec.check("get", path, definition);
}

#[test]
fn deliveries_have_every_key_of_the_published_samples() {
    let Some(folder) = published("payloads") else { return };
    for (event_type, version, sample) in [
        ("git.push", "1.0", "git.push.rv1.0.docs2018.json"),
        ("git.pullrequest.created", "1.0", "git.pullrequest.created.rv1.0.docs2018.json"),
        ("git.pullrequest.updated", "1.0", "git.pullrequest.updated.rv1.0.docs2018.json"),
        ("git.pullrequest.merged", "1.0", "git.pullrequest.merged.rv1.0.docs2018.json"),
        (
            "ms.vss-code.git-pullrequest-comment-event",
            "2.0",
            "ms.vss-code.git-pullrequest-comment-event.rv2.0.docs2025.json",
        ),
        ("build.complete", "1.0", "build.complete.rv1.0.docs2018.json"),
        ("build.complete", "2.0", "build.complete.rv2.0.docs2025.json"),
    ] {
        let text = std::fs::read_to_string(folder.join(sample)).unwrap();
        let sample: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
        let delivered = Fixture::new().delivery(event_type, version);
        let missing = definitions::missing_keys(&sample, &delivered, "");
        assert!(missing.is_empty(), "{event_type} lacks {missing:?}");
    }
}
