//! The resource of a test notification: invented content with ids that are the same in every
//! organization.
//!
//! ADO sends such bodies for its "Test" button and for `testnotifications`. A receiver must start
//! nothing for them (docs/azure-devops.md §1.3). The names and texts are not those of ADO.

use serde_json::{Value, json};

use super::event::EventKind;

/// The event id of every test notification for pushes (docs/azure-devops.md §1.3).
pub(super) const PUSH_ID: &str = "03c164c2-8912-4d5e-8009-3707d5f83734";

const REPOSITORY: &str = "5febef5a-833d-4e14-b9c0-14cb638f91e6";
const PROJECT: &str = "0d0b9dc1-0ad3-4c2b-b55a-6a3f4a6f5a1e";
const HEAD: &str = "7f3c1d9e5b2a48660c4d8e1f9a7b3c5d2e6f8091";
const BASE: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d";
const ORIGIN: &str = "https://dev.azure.com/sample-organization";

/// The event id of a test notification.
pub(super) fn event_id(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Push => PUSH_ID,
        EventKind::Created => "2ab4e3d3-b7a6-425e-92b1-5a9982c1269e",
        EventKind::Updated => "af07be1b-f3ad-44c8-a7f1-c4835f2df06b",
        EventKind::Merged => "6872ee8c-b333-4eff-bfb9-0d5274943566",
        EventKind::BuildComplete => "4a5d99d6-1c75-4e53-91b9-ee80057d4ce3",
        EventKind::Comment => "fb2617ed-60df-4518-81fa-749faa6c5cd6",
    }
}

/// The resource of a test notification.
pub(super) fn resource(kind: EventKind) -> Value {
    match kind {
        EventKind::Push => push(),
        EventKind::Created | EventKind::Updated | EventKind::Merged => pull_request(),
        EventKind::BuildComplete => build(),
        EventKind::Comment => json!({"comment": comment(), "pullRequest": pull_request()}),
    }
}

fn repository() -> Value {
    json!({
        "id": REPOSITORY,
        "name": "Sample",
        "url": format!("{ORIGIN}/_apis/git/repositories/{REPOSITORY}"),
        "project": {
            "id": PROJECT,
            "name": "Sample",
            "url": format!("{ORIGIN}/_apis/projects/{PROJECT}"),
            "state": "wellFormed",
        },
        "defaultBranch": "refs/heads/main",
        "remoteUrl": format!("{ORIGIN}/_git/Sample"),
    })
}

fn person() -> Value {
    json!({
        "id": "3b5f0c34-4aec-4bf4-8708-1d36f0dbc468",
        "displayName": "Sample Person",
        "uniqueName": "person@sample.example",
        "url": format!("{ORIGIN}/_apis/Identities/3b5f0c34-4aec-4bf4-8708-1d36f0dbc468"),
    })
}

fn commit(sha: &str) -> Value {
    json!({
        "commitId": sha,
        "url": format!("{ORIGIN}/_apis/git/repositories/{REPOSITORY}/commits/{sha}"),
    })
}

fn push() -> Value {
    let signature = json!({
        "name": "Sample Person",
        "email": "person@sample.example",
        "date": "2020-01-01T00:00:00Z",
    });
    json!({
        "commits": [{
            "commitId": HEAD,
            "author": signature,
            "committer": signature,
            "comment": "A commit that does not exist",
            "url": format!("{ORIGIN}/_git/Sample/commit/{HEAD}"),
        }],
        "refUpdates": [{"name": "refs/heads/main", "oldObjectId": BASE, "newObjectId": HEAD}],
        "repository": repository(),
        "pushedBy": person(),
        "pushId": 14,
        "date": "2020-01-01T00:00:00.0000000Z",
        "url": format!("{ORIGIN}/_apis/git/repositories/{REPOSITORY}/pushes/14"),
    })
}

fn pull_request() -> Value {
    json!({
        "repository": repository(),
        "pullRequestId": 1,
        "status": "active",
        "createdBy": person(),
        "creationDate": "2020-01-01T00:00:00.0000000Z",
        "title": "A pull request that does not exist",
        "description": "",
        "sourceRefName": "refs/heads/topic",
        "targetRefName": "refs/heads/main",
        "mergeStatus": "succeeded",
        "mergeId": "a10bb228-6ba6-4362-abd7-49ea21333dbd",
        "lastMergeSourceCommit": commit(HEAD),
        "lastMergeTargetCommit": commit(BASE),
        "lastMergeCommit": commit("9c8b7a6f5e4d3c2b1a09f8e7d6c5b4a392817060"),
        "reviewers": [],
        "commits": [commit(HEAD)],
        "url": format!("{ORIGIN}/_apis/git/repositories/{REPOSITORY}/pullRequests/1"),
    })
}

fn build() -> Value {
    let url = format!("{ORIGIN}/{PROJECT}/_apis/build/Builds/2");
    json!({
        "_links": {"self": {"href": url}},
        "id": 2,
        "buildNumber": "20200101.1",
        "status": "completed",
        "result": "succeeded",
        "queueTime": "2020-01-01T00:00:00.0000000Z",
        "startTime": "2020-01-01T00:00:00.0000000Z",
        "finishTime": "2020-01-01T00:00:00.0000000Z",
        "reason": "manual",
        "sourceBranch": "refs/heads/main",
        "sourceVersion": HEAD,
        "definition": {"id": 2, "name": "Sample", "type": "build", "queueStatus": "enabled"},
        "project": {"id": PROJECT, "name": "Sample", "state": "wellFormed"},
        "requestedFor": person(),
        "requestedBy": person(),
        "validationResults": [],
        "url": url,
    })
}

fn comment() -> Value {
    let url = format!("{ORIGIN}/_apis/git/repositories/{REPOSITORY}/pullRequests/1/threads/5");
    json!({
        "id": 2,
        "parentCommentId": 1,
        "author": person(),
        "content": "A comment that does not exist.",
        "publishedDate": "2020-01-01T00:00:00.0000000Z",
        "lastUpdatedDate": "2020-01-01T00:00:00.0000000Z",
        "lastContentUpdatedDate": "2020-01-01T00:00:00.0000000Z",
        "commentType": "text",
        "_links": {
            "self": {"href": format!("{url}/comments/2")},
            "threads": {"href": url},
        },
    })
}
