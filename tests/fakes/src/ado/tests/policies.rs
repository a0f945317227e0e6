//! Policies over REST: permission to change them, lists, and pull requests that they block.

use serde_json::{Value, json};

use super::{Fixture, refusal};
use crate::ado::Permission;
use crate::ado::policy::configuration::STATUS_POLICY;

const BUILD_POLICY: &str = "0609b952-1397-4640-95ec-e00a01b2c241";

fn policy(kind: &str, repository: Option<&str>, branch: &str) -> Value {
    json!({
        "isEnabled": true,
        "isBlocking": true,
        "type": {"id": kind},
        "settings": {
            "statusGenre": "ci",
            "statusName": "unit",
            "scope": [{"repositoryId": repository, "refName": branch, "matchKind": "exact"}],
        },
    })
}

impl Fixture {
    fn create(&mut self, body: &Value) -> u64 {
        let answer = self.send("POST", "policy/configurations", body);
        assert_eq!(answer.status, 200, "{}", answer.body_json());
        answer.body_json()["id"].as_u64().unwrap()
    }

    fn ids(&mut self, path: &str) -> Vec<u64> {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{}", answer.body_json());
        let list = answer.body_json()["value"].as_array().unwrap().clone();
        list.iter().map(|one| one["id"].as_u64().unwrap()).collect()
    }
}

#[test]
fn an_invalid_status_policy_is_refused() {
    let mut fixture = Fixture::new();
    let repository = fixture.repository.clone();
    let good = policy(STATUS_POLICY, Some(&repository), "refs/heads/main");
    for (pointer, value) in [
        ("/settings/statusName", json!(" ")),
        ("/settings/authorId", json!("3b5f0c34-4aec-4bf4-8708-1d36f0dbc468")),
        ("/settings/policyApplicability", json!(2)),
        ("/settings/policyApplicability", json!("conditional")),
        ("/settings/invalidateOnSourceUpdate", json!("yes")),
        ("/settings/scope", json!([])),
        ("/settings/scope/0/matchKind", json!("regex")),
        ("/settings/scope/0/refName", json!("main")),
        ("/settings/scope/0/refName", Value::Null),
        ("/settings/scope/0/repositoryId", json!("3b5f0c34-4aec-4bf4-8708-1d36f0dbc468")),
        ("/isBlocking", Value::Null),
    ] {
        let mut body = good.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[key] = value.clone();
        let answer = fixture.send("POST", "policy/configurations", &body);
        assert_eq!(answer.status, 400, "{pointer} {value}");
    }
    fixture.create(&good);
}

#[test]
fn changing_a_policy_keeps_its_type_and_creator() {
    let mut fixture = Fixture::new();
    let repository = fixture.repository.clone();
    let id = fixture.create(&policy(STATUS_POLICY, Some(&repository), "refs/heads/main"));
    let path = format!("policy/configurations/{id}");
    let other = policy(BUILD_POLICY, Some(&repository), "refs/heads/main");
    assert_eq!(fixture.send("PUT", &path, &other).status, 400);
    let mut changed = policy(STATUS_POLICY, Some(&repository), "refs/heads/release");
    changed["isBlocking"] = json!(false);
    let answer = fixture.send("PUT", &path, &changed).body_json();
    assert_eq!((&answer["revision"], &answer["isBlocking"]), (&json!(2), &json!(false)));
    assert_eq!(answer["createdBy"]["id"], fixture.service);
}

#[test]
fn permission_for_one_repository_covers_only_policies_of_that_repository() {
    let mut fixture = Fixture::new();
    let (first, service) = (fixture.repository.clone(), fixture.service.clone());
    let second = fixture.world.create_repository(&fixture.project.clone(), "api");
    let id = fixture.create(&policy(STATUS_POLICY, Some(&second), "refs/heads/main"));
    fixture.world.deny(&service, Permission::EditPolicies, Some(&second));
    fixture.create(&policy(STATUS_POLICY, Some(&first), "refs/heads/main"));
    let missing = (403, "GitNeedsPermissionException".to_owned());
    let body = policy(STATUS_POLICY, Some(&second), "refs/heads/main");
    assert_eq!(refusal(&fixture.send("POST", "policy/configurations", &body)), missing);
    let path = format!("policy/configurations/{id}");
    // Nor may it be moved to the repository where the identity has the permission.
    let moved = policy(STATUS_POLICY, Some(&first), "refs/heads/main");
    assert_eq!(refusal(&fixture.send("PUT", &path, &moved)), missing);
    assert_eq!(refusal(&fixture.send("DELETE", &path, &json!({}))), missing);
}

#[test]
fn policies_are_listed_by_branch_by_repository_and_by_type_in_pages() {
    let mut fixture = Fixture::new();
    let repository = fixture.repository.clone();
    let here = Some(repository.as_str());
    let main = fixture.create(&policy(STATUS_POLICY, here, "refs/heads/main"));
    let release = fixture.create(&policy(STATUS_POLICY, here, "refs/heads/release"));
    let all = fixture.create(&policy(STATUS_POLICY, None, "refs/heads/main"));
    let build = fixture.create(&policy(BUILD_POLICY, here, "refs/heads/main"));
    let path = format!("git/policy/configurations?repositoryId={repository}");
    assert_eq!(fixture.ids(&path), [main, release, all, build]);
    let of_main = format!("{path}&refName=refs/heads/main");
    assert_eq!(fixture.ids(&of_main), [main, all, build]);
    assert_eq!(fixture.ids(&format!("{of_main}&policyType={BUILD_POLICY}")), [build]);
    assert_eq!(fixture.ids("git/policy/configurations"), [all]);
    let first = fixture.get(&format!("{of_main}&$top=2"));
    let next = first.header("x-ms-continuationtoken").unwrap().to_owned();
    assert_eq!(fixture.ids(&format!("{of_main}&$top=2&continuationToken={next}")), [build]);
    fixture.world.options.policies_per_page = 3;
    assert_eq!(fixture.ids("policy/configurations").len(), 3);
    let nowhere = "git/policy/configurations?repositoryId=3b5f0c34-4aec-4bf4-8708-1d36f0dbc468";
    assert_eq!(fixture.get(nowhere).status, 404);
}

#[test]
fn a_blocking_policy_keeps_a_pull_request_from_being_completed() {
    let mut fixture = Fixture::new();
    let repository = fixture.repository.clone();
    let policy = fixture.create(&policy(STATUS_POLICY, Some(&repository), "refs/heads/main"));
    let id = fixture.pull_request();
    assert_eq!(fixture.world.try_complete(id), Err(format!("policy {policy} is queued")));
    let body = json!({"state": "notApplicable", "context": {"name": "unit", "genre": "ci"}});
    let path = format!("git/repositories/web/pullRequests/{id}/statuses");
    assert_eq!(fixture.send("POST", &path, &body).status, 200);
    assert!(fixture.world.try_complete(id).is_ok());
    assert_eq!(fixture.world.try_complete(id), Err(format!("pull request {id} is completed")));
}
