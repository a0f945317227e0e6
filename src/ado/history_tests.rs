//! What is read from lists, in the shape of Microsoft's examples, and what is not.

use serde_json::json;

use super::super::hooks::{catch_up_payload, read};
use super::*;
use crate::domain::fact::RefUpdate;
use crate::domain::pull_request::Status;

fn listed_pull_request() -> Value {
    json!({
        "repository": {
            "id": "3411EBC1-d5aa-464f-9615-0b527bc66719",
            "name": "web",
            "project": { "id": "a7573007-bbb3-4341-b726-0c4148a07853", "name": "Fabrikam" },
        },
        "pullRequestId": 22,
        "status": "completed",
        "creationDate": "2016-11-01T16:30:31.6655471Z",
        "closedDate": "2016-11-02T10:00:00Z",
        "title": "A new feature",
        "description": "Adding a new feature",
        "sourceRefName": "refs/heads/npaulk/my_work",
        "targetRefName": "refs/heads/main",
        "lastMergeSourceCommit": { "commitId": "b60280bc6e62e2f880f1b63c1e24987664d3bda3" },
        "reviewers": [],
    })
}

fn listed_push() -> Value {
    json!({
        "refUpdates": [{
            "repositoryId": "3411ebc1-d5aa-464f-9615-0b527bc66719",
            "name": "refs/heads/develop",
            "oldObjectId": "be67f8871a4d2c75f13a51c1d3c30ac0d74d4ef4",
            "newObjectId": "67cae2b029dff7eb3dc062b49403aaedca5bad8d",
        }],
        "repository": listed_pull_request()["repository"],
        "pushId": 3,
        "date": "2014-01-29T23:53:35.705139Z",
    })
}

#[test]
fn a_listed_pull_request_is_read() {
    let ListedPullRequest { seen, resource, is_cut } =
        pull_request(&listed_pull_request()).unwrap();
    assert_eq!(seen.pull_request.id, 22);
    assert_eq!(seen.pull_request.repository.id, "3411ebc1-d5aa-464f-9615-0b527bc66719");
    assert_eq!(seen.pull_request.status, Status::Completed);
    assert_eq!(seen.created_at, Timestamp::parse("2016-11-01T16:30:31.665547Z"));
    assert_eq!(seen.closed_at, Timestamp::parse("2016-11-02T10:00:00Z"));
    assert_eq!((resource, is_cut), (listed_pull_request(), false));
}

#[test]
fn labels_that_are_listed_by_themselves_are_read_as_if_the_list_told_them() {
    let mut listed = pull_request(&listed_pull_request()).unwrap();
    assert!(!listed.seen.pull_request.labels_known);
    assert_eq!(listed.labels(), None);
    listed.is_cut = true;
    let labels =
        [json!({ "name": "e2e", "active": true }), json!({ "name": "a", "active": false })];
    listed.insert_labels(labels.to_vec());
    assert_eq!(listed.seen.pull_request.labels, ["e2e"]);
    assert!(listed.seen.pull_request.labels_known && listed.is_cut);
    assert_eq!(listed.labels(), Some(labels.to_vec()));
    let mut expected = listed_pull_request();
    expected["labels"] = json!(labels);
    assert_eq!(listed.resource, expected);
    let body = catch_up_payload::body(PULL_REQUEST, &listed.resource, None);
    assert_eq!(read(&body).fact, Fact::PullRequest(listed.seen.pull_request.clone()));
    listed.insert_labels(vec![]);
    assert!(listed.seen.pull_request.labels.is_empty() && listed.seen.pull_request.labels_known);
}

#[test]
fn a_description_of_the_length_that_lists_give_may_be_cut() {
    let mut resource = listed_pull_request();
    resource["description"] = json!("é".repeat(400));
    assert!(pull_request(&resource).unwrap().is_cut);
}

#[test]
fn the_first_day_of_all_is_no_date() {
    let mut resource = listed_pull_request();
    resource["closedDate"] = json!("0001-01-01T00:00:00");
    assert_eq!(pull_request(&resource).unwrap().seen.closed_at, None);
}

#[test]
fn a_listed_push_is_read() {
    let ListedPush { push, resource } = push(&listed_push()).unwrap();
    assert_eq!(push.push_id, Some(3));
    assert_eq!(push.pushed_at, Timestamp::parse("2014-01-29T23:53:35.705139Z"));
    let update = RefUpdate {
        name: "refs/heads/develop".into(),
        old: Some("be67f8871a4d2c75f13a51c1d3c30ac0d74d4ef4".into()),
        new: Some("67cae2b029dff7eb3dc062b49403aaedca5bad8d".into()),
    };
    assert_eq!(push.updates, [update]);
    assert_eq!(resource, listed_push());
}

#[test]
fn what_cannot_be_read_is_left_out_and_counted() {
    let items = [listed_push(), json!({ "pushId": 4 }), json!("nonsense")];
    let part = paged(&items, 4, push);
    assert_eq!((part.items.len(), part.listed, part.is_last), (1, 3, true));
    assert!(!paged(&items, 3, push).is_last);
    assert!(items_of(&json!({ "value": {} })).is_err());
    assert!(items_of(&json!(["a"])).is_err());
}

fn items_of(answer: &Value) -> Result<usize, Error> {
    items(answer).map(<[Value]>::len)
}

#[test]
fn the_body_of_a_delivery_tells_what_the_list_does() {
    let at = Timestamp::parse("2016-11-02T10:00:00.000001Z");
    let body = catch_up_payload::body(PULL_REQUEST, &listed_pull_request(), at);
    let delivered = read(&body);
    let seen = pull_request(&listed_pull_request()).unwrap().seen;
    assert_eq!(delivered.fact, Fact::PullRequest(seen.pull_request));
    assert_eq!(delivered.created_at, at);
    let body = catch_up_payload::body(PUSH, &listed_push(), at);
    assert_eq!(read(&body).fact, Fact::Push(push(&listed_push()).unwrap().push));
}
