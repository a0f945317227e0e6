//! Permissions of identities, and how they are changed.

use serde_json::json;

use super::{Fixture, refusal};
use crate::ado::Permission;
use crate::http::Request;
use crate::neighbour::Neighbour as _;

const GIT: &str = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87";
const HOOKS: &str = "cb594ebe-87dd-4fc9-ac2c-6a10a4c92046";
const PROJECT: &str = "52d39943-cb85-4d7f-8fa8-c6baac873819";
const BUILD: &str = "33344d9c-fc72-4d6f-aba5-fa317101a7e9";

impl Fixture {
    fn has(&mut self, namespace: &str, bits: u32, token: &str) -> bool {
        let one = json!({"securityNamespaceId": namespace, "token": token, "permissions": bits});
        let body = json!({"alwaysAllowAdministrators": false, "evaluations": [one]});
        let answer = self.send("POST", "security/permissionevaluationbatch", &body).body_json();
        let single = self.get(&format!("permissions/{namespace}/{bits}?tokens={token}"));
        assert_eq!(single.body_json()["value"][0], answer["evaluations"][0]["value"]);
        answer["evaluations"][0]["value"].as_bool().unwrap()
    }
}

#[test]
fn a_denial_applies_to_its_resource_only() {
    let mut fixture = Fixture::new();
    let (project, repository) = (fixture.project.clone(), fixture.repository.clone());
    let (git, hooks) =
        (format!("repoV2/{project}/{repository}"), format!("PublisherSecurity/{project}"));
    let of_project = format!("$PROJECT:vstfs:///Classification/TeamProject/{project}");
    for (namespace, bits, token) in [
        (GIT, 2 + 4 + 16384, git.clone()),
        (GIT, 2, git.to_uppercase()),
        (GIT, 2, format!("repoV2/{project}")),
        (HOOKS, 7, hooks.clone()),
        (HOOKS, 1, "PublisherSecurity".to_owned()),
        (PROJECT, 1, of_project.clone()),
        (BUILD, 128 + 512, project.clone()),
    ] {
        assert!(fixture.has(namespace, bits, &token), "{token}");
    }
    assert!(!fixture.has(GIT, 8, &git), "an unknown bit is not granted");
    assert!(!fixture.has(GIT, 2, "repoV2/elsewhere"));
    let service = fixture.service.clone();
    fixture.world.deny_in_project(&service, Permission::EditSubscriptions, &project);
    assert!(!fixture.has(HOOKS, 3, &hooks) && fixture.has(HOOKS, 1, &hooks));
    fixture.world.deny(&service, Permission::PullRequestContribute, Some(&repository));
    assert!(!fixture.has(GIT, 16384, &git) && fixture.has(GIT, 4, &git));
    let body = fixture.subscription_body("git.push");
    let answer = fixture.send("POST", "hooks/subscriptions", &body);
    assert_eq!(answer.status, 403);
}

#[test]
fn a_hidden_project_does_not_exist_for_the_identity() {
    let mut fixture = Fixture::new();
    let (service, project) = (fixture.service.clone(), fixture.project.clone());
    fixture.world.create_project("fabrikam", "Second");
    let third = fixture.world.create_project("fabrikam", "Third");
    fixture.world.hide_project(&service, &project);
    let target = "/fabrikam/_apis/projects?$top=1&api-version=7.1";
    let page = fixture.ask(Request::new("GET", target));
    assert_eq!(page.body_json()["value"][0]["name"], "Second");
    let token = page.header("x-ms-continuationtoken").unwrap();
    let page = fixture.ask(Request::new("GET", &format!("{target}&continuationToken={token}")));
    assert_eq!(page.body_json()["value"][0]["id"], third);
    assert_eq!(page.header("x-ms-continuationtoken"), None);
    let answer = fixture.get("git/repositories");
    assert_eq!(refusal(&answer), (404, "ProjectDoesNotExistWithNameException".to_owned()));
    let all = fixture.ask(Request::new("GET", "/fabrikam/_apis/git/repositories"));
    assert_eq!(all.body_json()["count"], 0);
    let of_project = format!("$PROJECT:vstfs:///Classification/TeamProject/{project}");
    fixture.world.allow(&service, Permission::ReadProject);
    assert!(fixture.has(PROJECT, 1, &of_project));
}

#[test]
fn permissions_are_granted_to_identities_by_descriptor() {
    let mut fixture = Fixture::new();
    let (service, project) = (fixture.service.clone(), fixture.project.clone());
    let admin = fixture.world.create_identity("Admin", "admin@fabrikam.example");
    fixture.world.add_pat("admin", &admin, &["vso.security_manage", "vso.identity"], i64::MAX);
    fixture.world.deny(&service, Permission::EditSubscriptions, None);
    fixture.world.deny(&service, Permission::ViewSubscriptions, None);
    assert_eq!(fixture.get("hooks/subscriptions").status, 403);
    let now_ms = fixture.world.now_ms();
    let search = "/fabrikam/_apis/identities?searchFilter=General&filterValue=svc@fabrikam.example";
    let request = Request::new("GET", &format!("{search}&api-version=7.1"));
    let found = fixture.world.handle(&request.clone().with_pat("admin"), now_ms).body_json();
    assert_eq!(found["count"], 1);
    assert_eq!(fixture.ask(request).status, 401, "it takes a scope");
    let token = format!("PublisherSecurity/{project}");
    let entry = json!({"descriptor": found["value"][0]["descriptor"], "allow": 3, "deny": 0});
    let body = json!({"token": token, "merge": true, "accessControlEntries": [entry]});
    let target = format!("/fabrikam/_apis/accesscontrolentries/{HOOKS}?api-version=7.1");
    let request = Request::new("POST", &target).with_json(&body);
    assert_eq!(fixture.ask(request.clone()).status, 401, "it takes a scope");
    let answer = fixture.world.handle(&request.with_pat("admin"), now_ms).body_json();
    assert_eq!((&answer["count"], &answer["value"][0]["allow"]), (&json!(1), &json!(7)));
    assert!(fixture.has(HOOKS, 3, &token));
    assert!(!fixture.has(HOOKS, 3, "PublisherSecurity"));
    let id = fixture.subscribe("git.push", ("branch", ""));
    assert_eq!(fixture.get(&format!("hooks/subscriptions/{id}")).status, 200);
}

#[test]
fn an_identity_without_membership_is_refused_with_401() {
    let mut fixture = Fixture::new();
    let service = fixture.service.clone();
    fixture.world.remove_member(&service);
    let answer = fixture.get("git/repositories");
    assert_eq!(refusal(&answer), (401, "UnauthorizedRequestException".to_owned()));
    assert!(answer.body_json()["message"].as_str().unwrap().starts_with("TF400813"));
    fixture.world.add_member(&service);
    assert_eq!(fixture.get("git/repositories").status, 200);
}

#[test]
fn permission_to_post_a_status_is_checked_before_its_body() {
    let mut fixture = Fixture::new();
    let id = fixture.pull_request();
    let service = fixture.service.clone();
    let head = fixture.world.head(&fixture.repository, "main").unwrap().to_owned();
    let places = [
        (Permission::GenericContribute, format!("git/repositories/web/commits/{head}/statuses")),
        (
            Permission::PullRequestContribute,
            format!("git/repositories/web/pullRequests/{id}/statuses"),
        ),
    ];
    for (permission, path) in places {
        assert_eq!(fixture.send("POST", &path, &json!({})).status, 400, "{path}");
        fixture.world.deny(&service, permission, None);
        assert_eq!(fixture.send("POST", &path, &json!({})).status, 403, "{path}");
    }
}
