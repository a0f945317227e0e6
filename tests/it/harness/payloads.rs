//! Bodies of deliveries that the fake Azure DevOps does not send by itself, in the shape of its
//! documentation. Every payload has a notification id of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::Env;

fn envelope(event_type: &str, resource: Value) -> Value {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    json!({
        "subscriptionId": "5f1d5e3c-0b5e-4a57-9f4e-6b1f2d3c4e5a",
        "notificationId": number,
        "id": format!("7b1e0c7a-31d5-4c1e-8a44-{number:012x}"),
        "eventType": event_type,
        "publisherId": "tfs",
        "resource": resource,
        "resourceVersion": "1.0",
    })
}

fn repository(env: &Env) -> Value {
    json!({
        "id": env.repository,
        "name": "web",
        "project": { "id": env.project, "name": "Fabrikam" },
    })
}

/// A push of one branch; `push` is the push id, which increases.
pub(crate) fn push(env: &Env, branch: &str, old: &str, new: &str, push: u64) -> Value {
    let resource = json!({
        "pushId": push,
        "refUpdates": [{
            "name": format!("refs/heads/{branch}"), "oldObjectId": old, "newObjectId": new,
        }],
        "commits": [],
        "repository": repository(env),
    });
    envelope("git.push", resource)
}

/// An update of an active pull request to main.
pub(crate) fn pull_request(env: &Env, id: u64, branch: &str, commit: &str) -> Value {
    let resource = json!({
        "repository": repository(env),
        "pullRequestId": id,
        "status": "active",
        "title": "A pull request",
        "sourceRefName": format!("refs/heads/{branch}"),
        "targetRefName": "refs/heads/main",
        "mergeStatus": "succeeded",
        "isDraft": false,
        "lastMergeSourceCommit": { "commitId": commit },
        "reviewers": [],
    });
    envelope("git.pullrequest.updated", resource)
}

/// A build of a pipeline of this project that has succeeded.
pub(crate) fn completed_build(number: u64, project: &Value) -> Value {
    let resource = json!({
        "id": number,
        "buildNumber": "20261123.1",
        "status": "completed",
        "result": "succeeded",
        "definition": { "id": 1, "name": "build" },
        "project": project,
    });
    let mut body = envelope("build.complete", resource);
    body["resourceVersion"] = "2.0".into();
    body
}

/// An event of any other type.
pub(crate) fn other(event_type: &str) -> Value {
    envelope(event_type, json!({ "id": 7 }))
}
