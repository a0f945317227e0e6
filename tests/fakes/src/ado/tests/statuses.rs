//! Statuses, and the policies that depend on them.

use serde_json::{Value, json};

use super::{Fixture, refusal};
use crate::ado::policy::configuration::{EvaluationStatus, STATUS_POLICY};

impl Fixture {
    fn post(&mut self, id: u64, state: &str, iteration: Value) -> (u16, String) {
        let path = format!("git/repositories/web/pullRequests/{id}/statuses");
        let context = json!({"genre": "ci", "name": "unit"});
        let body = json!({"state": state, "context": context, "iterationId": iteration});
        refusal(&self.send("POST", &path, &body))
    }

    fn require_status(&mut self, extra: (&str, Value)) {
        let scope = json!([{"refName": "refs/heads/main", "matchKind": "exact"}]);
        let mut settings = json!({"statusGenre": "ci", "statusName": "unit", "scope": scope});
        settings["invalidateOnSourceUpdate"] = json!(true);
        settings[extra.0] = extra.1;
        let kind = json!({"id": STATUS_POLICY});
        let body =
            json!({"isEnabled": true, "isBlocking": true, "type": kind, "settings": settings});
        let answer = self.send("POST", "policy/configurations", &body);
        assert_eq!(answer.status, 200, "{}", answer.body_json());
    }

    fn evaluated(&self, id: u64) -> EvaluationStatus {
        self.world.evaluations(id)[0].1
    }
}

fn bad(key: &str, status: u16) -> (u16, String) {
    (status, key.to_owned())
}

#[test]
fn a_status_needs_a_known_state_a_known_iteration_and_an_active_pull_request() {
    let mut fixture = Fixture::new();
    let id = fixture.pull_request();
    assert_eq!(
        fixture.post(id, "success", Value::Null),
        bad("VssPropertyValidationException", 400)
    );
    assert_eq!(fixture.post(id, "failed", json!(2)), bad("VssPropertyValidationException", 400));
    assert_eq!(fixture.post(id, "failed", json!(1)).0, 200);
    assert_eq!(fixture.post(id, "pending", Value::Null).0, 200);
    fixture.world.abandon(id);
    let closed = bad("GitPullRequestStatusNotEditableException", 403);
    assert_eq!(fixture.post(id, "failed", json!(1)), closed);
}

#[test]
fn statuses_are_appended_listed_and_removed() {
    let mut fixture = Fixture::new();
    let id = fixture.pull_request();
    fixture.post(id, "pending", json!(1));
    fixture.post(id, "succeeded", json!(1));
    let path = format!("git/repositories/web/pullRequests/{id}/statuses");
    let list = fixture.get(&path).body_json();
    let ids: Vec<_> = list["value"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [1, 2]);
    let patch = json!([{"op": "remove", "path": "/1"}]);
    assert_eq!(fixture.send("PATCH", &path, &patch).status, 400);
    let target = format!("/fabrikam/Fabrikam/_apis/{path}?api-version=7.1");
    let mut request = crate::http::Request::new("PATCH", &target);
    request.body = patch.to_string().into_bytes();
    let request = request.with_header("content-type", "application/json-patch+json");
    assert_eq!(fixture.ask(request).status, 204);
    assert_eq!(fixture.send("DELETE", &format!("{path}/2"), &Value::Null).status, 204);
    assert_eq!(fixture.get(&path).body_json()["count"], 0);
    fixture.post(id, "pending", json!(1));
    assert_eq!(fixture.get(&path).body_json()["value"][0]["id"], 3);
}

#[test]
fn a_policy_that_resets_needs_success_on_the_newest_iteration() {
    let mut fixture = Fixture::new();
    fixture.require_status(("authorId", Value::Null));
    let id = fixture.pull_request();
    let rejected = bad("GitPullRequestStatusRejectedByPolicyException", 403);
    assert_eq!(fixture.post(id, "succeeded", Value::Null), rejected);
    assert_eq!(fixture.evaluated(id), EvaluationStatus::Queued);
    for (state, evaluated) in [
        ("pending", EvaluationStatus::Queued),
        ("failed", EvaluationStatus::Rejected),
        ("error", EvaluationStatus::Rejected),
        ("partiallySucceeded", EvaluationStatus::Queued),
        ("succeeded", EvaluationStatus::Approved),
        ("notApplicable", EvaluationStatus::NotApplicable),
        ("succeeded", EvaluationStatus::Approved),
    ] {
        fixture.post(id, state, json!(1));
        assert_eq!(fixture.evaluated(id), evaluated, "{state}");
    }
    assert!(fixture.world.policies_satisfied(id));
    fixture.world.push(&fixture.repository, "topic", "More");
    assert_eq!(fixture.evaluated(id), EvaluationStatus::Queued);
    fixture.post(id, "succeeded", json!(1));
    assert_eq!(fixture.evaluated(id), EvaluationStatus::Queued);
    fixture.post(id, "succeeded", json!(2));
    assert_eq!(fixture.evaluated(id), EvaluationStatus::Approved);
}

#[test]
fn a_policy_can_require_an_author_or_be_conditional() {
    let mut fixture = Fixture::new();
    let somebody = fixture.world.create_identity("Somebody", "other@fabrikam.example");
    fixture.require_status(("authorId", json!(somebody)));
    fixture.require_status(("policyApplicability", json!(1)));
    let id = fixture.pull_request();
    assert_eq!(fixture.world.evaluations(id)[1].1, EvaluationStatus::NotApplicable);
    fixture.post(id, "succeeded", json!(1));
    assert_eq!(fixture.world.evaluations(id)[0].1, EvaluationStatus::Queued);
    assert_eq!(fixture.world.evaluations(id)[1].1, EvaluationStatus::Approved);
}

#[test]
fn the_latest_commit_status_of_each_context_can_be_listed() {
    let mut fixture = Fixture::new();
    let head = fixture.world.head(&fixture.repository, "main").unwrap().to_owned();
    let path = format!("git/repositories/web/commits/{head}/statuses");
    for state in ["pending", "succeeded"] {
        let body = json!({"state": state, "context": {"name": "unit"}});
        assert_eq!(fixture.send("POST", &path, &body).status, 201);
    }
    assert_eq!(fixture.get(&path).body_json()["count"], 2);
    let latest = fixture.get(&format!("{path}?latestOnly=true")).body_json();
    assert_eq!((&latest["count"], &latest["value"][0]["state"]), (&json!(1), &json!("succeeded")));
}
