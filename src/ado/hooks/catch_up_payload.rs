//! The bodies of deliveries that catch-up stores: in the shape of a hook call, so that they are
//! decided, replayed and explained like any other delivery.
//!
//! A resource is what Azure DevOps listed, unchanged.

use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Delivered;
use super::read::read;
use crate::domain::event::Repository;
use crate::domain::fact::RefUpdate;
use crate::domain::time::Timestamp;

/// Event types as hooks name them (docs/azure-devops.md §2.2).
pub const PULL_REQUEST: &str = "git.pullrequest.updated";
pub const PUSH: &str = "git.push";
pub const COMMENT: &str = super::read::COMMENT;
/// The object id that means none (Microsoft Learn: "Pushes - Create").
const NO_OBJECT: &str = "0000000000000000000000000000000000000000";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    event_type: &'a str,
    publisher_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_date: Option<String>,
    resource: &'a Value,
}

/// A pull request or a push as Azure DevOps lists it, and since when it is like that.
pub fn body(event_type: &str, resource: &Value, at: Option<Timestamp>) -> Vec<u8> {
    let created_date = at.and_then(exactly);
    let body = Body { event_type, publisher_id: "tfs", created_date, resource };
    // Strings and values that were read from JSON can always be written back.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// Refs whose heads differ from the stored ones, without the pushes that moved them.
pub fn heads(repository: &Repository, updates: &[RefUpdate], at: Timestamp) -> Vec<u8> {
    let Repository { id, name, project_id, project } = repository;
    let object = |commit: &Option<String>| commit.clone().unwrap_or_else(|| NO_OBJECT.to_owned());
    let update = |one: &RefUpdate| {
        json!({
            "name": one.name,
            "oldObjectId": object(&one.old),
            "newObjectId": object(&one.new),
        })
    };
    let resource = json!({
        "repository": {
            "id": id, "name": name, "project": { "id": project_id, "name": project },
        },
        "refUpdates": updates.iter().map(update).collect::<Vec<_>>(),
    });
    body(PUSH, &resource, Some(at))
}

/// A listed item, read as the decision will read it.
pub(in crate::ado) fn understood(event_type: &str, resource: &Value) -> Delivered {
    read(&body(event_type, resource, None))
}

/// With microseconds: the time in the body is compared with stored times, which have them.
fn exactly(at: Timestamp) -> Option<String> {
    let nanos = i128::from(at.micros()).saturating_mul(1_000);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ado::hooks::envelope;
    use crate::domain::fact::{Fact, Push};

    fn repository() -> Repository {
        Repository {
            id: "b90f6c2e-7d48-4a15-8c93-61e0d7a2f5b8".into(),
            name: "web".into(),
            project_id: "3e5d9a74-0c1b-4f62-a8d7-94b6e2f1c053".into(),
            project: "Fabrikam".into(),
        }
    }

    #[test]
    fn heads_are_read_back() {
        let updates = vec![
            RefUpdate { name: "refs/heads/main".into(), old: None, new: Some("a".repeat(40)) },
            RefUpdate { name: "refs/heads/gone".into(), old: Some("b".repeat(40)), new: None },
        ];
        let at = Timestamp::from_micros(1_790_000_000_123_456);
        let body = heads(&repository(), &updates, at);
        let delivered = read(&body);
        assert_eq!(delivered.created_at, Some(at), "to the microsecond");
        assert_eq!(envelope(&body).unwrap().created_at, Some(at));
        let push = Push {
            repository: repository(),
            push_id: None,
            pushed_at: None,
            updates,
            messages: vec![],
        };
        assert_eq!(delivered.fact, Fact::Push(push));
    }

    #[test]
    fn a_body_is_not_read_as_a_test_delivery() {
        let body = heads(&repository(), &[], Timestamp::ZERO);
        assert!(!matches!(read(&body).fact, Fact::Test));
    }
}
