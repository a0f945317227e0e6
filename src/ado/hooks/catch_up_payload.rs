//! The bodies of what catch-up found: in the envelope of a hook, so that whoever decides, replays
//! or explains a delivery reads it like any other.
//!
//! What Azure DevOps lists is kept as it came; what we add stands beside it, under `catchUp`. It
//! must never make up what Azure DevOps did not say, and never find out what was missed.

use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::lenient::{Raw, flag, object, text};
use super::{Delivered, read, wire};
use crate::domain::event::Repository;
use crate::domain::fact::{CatchUpMeta, RefUpdate};
use crate::domain::time::Timestamp;

/// Event types as hooks name them (docs/azure-devops.md §2.2).
pub const PULL_REQUEST: &str = "git.pullrequest.updated";
pub const PUSH: &str = "git.push";
/// Stands for "there is none" (Microsoft Learn: "Pushes - Create").
const NO_OBJECT: &str = "0000000000000000000000000000000000000000";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    event_type: &'a str,
    publisher_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_date: Option<String>,
    resource: &'a Value,
    #[serde(skip_serializing_if = "Map::is_empty")]
    catch_up: Map<String, Value>,
}

/// A pull request or a push as Azure DevOps lists it, and when it came to be like that.
pub fn body(
    event_type: &str,
    resource: &Value,
    at: Option<Timestamp>,
    catch_up_meta: &CatchUpMeta,
) -> Vec<u8> {
    let mut catch_up = Map::new();
    if !catch_up_meta.passed_over.is_empty() {
        catch_up.insert("passedOver".into(), json!(catch_up_meta.passed_over));
    }
    for (name, flag) in
        [("cameBack", catch_up_meta.came_back), ("guardedAnew", catch_up_meta.is_guarded_anew)]
    {
        if flag {
            catch_up.insert(name.into(), json!(true));
        }
    }
    if let Some(seen_at) = catch_up_meta.seen_at.and_then(exactly) {
        catch_up.insert("seenAt".into(), json!(seen_at));
    }
    let created_date = at.and_then(exactly);
    let body = Body { event_type, publisher_id: "tfs", created_date, resource, catch_up };
    // Strings and values that were read from JSON: writing them back does not fail.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// Heads that differ from what we knew, without the push that brought them there.
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
    body(PUSH, &resource, Some(at), &CatchUpMeta::default())
}

/// What a list's item tells, read as the decision will read it.
pub(in crate::ado) fn understood(event_type: &str, resource: &Value) -> Delivered {
    read(&body(event_type, resource, None, &CatchUpMeta::default()))
}

/// What we wrote beside a resource; nothing where there is nothing.
pub(super) fn catch_up_meta(raw: Raw<'_>) -> CatchUpMeta {
    let wire: wire::CatchUp<'_> = object(raw).unwrap_or_default();
    let names = wire.passed_over.and_then(|raw| serde_json::from_str(raw.get()).ok());
    CatchUpMeta {
        passed_over: names.unwrap_or_default(),
        came_back: flag(wire.came_back),
        seen_at: text(wire.seen_at).and_then(|at| Timestamp::parse(&at)),
        is_guarded_anew: flag(wire.guarded_anew),
    }
}

/// To the microsecond, since what is told as of a moment is compared with that moment.
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
    fn heads_are_read_back_as_they_were_written() {
        let updates = vec![
            RefUpdate { name: "refs/heads/main".into(), old: None, new: Some("a".repeat(40)) },
            RefUpdate { name: "refs/heads/gone".into(), old: Some("b".repeat(40)), new: None },
        ];
        let at = Timestamp::from_micros(1_790_000_000_123_456);
        let body = heads(&repository(), &updates, at);
        let told = read(&body);
        assert_eq!(told.created_at, Some(at), "to the microsecond");
        assert_eq!(envelope(&body).unwrap().created_at, Some(at));
        let push = Push {
            repository: repository(),
            push_id: None,
            pushed_at: None,
            updates,
            messages: vec![],
        };
        assert_eq!(told.fact, Fact::Push(push));
        assert_eq!(told.catch_up_meta, CatchUpMeta::default());
    }

    #[test]
    fn what_stands_beside_is_read_back() {
        let none = CatchUpMeta::default;
        for catch_up_meta in [
            CatchUpMeta { passed_over: vec!["refs/heads/main".into()], ..none() },
            CatchUpMeta { came_back: true, ..none() },
            CatchUpMeta { seen_at: Some(Timestamp::from_micros(1_790_000_000_123_456)), ..none() },
            CatchUpMeta {
                is_guarded_anew: true,
                passed_over: vec!["refs/tags/v1".into()],
                ..none()
            },
        ] {
            assert_eq!(
                read(&body(PUSH, &json!({}), None, &catch_up_meta)).catch_up_meta,
                catch_up_meta
            );
        }
    }

    #[test]
    fn a_body_is_no_test_delivery() {
        let body = heads(&repository(), &[], Timestamp::ZERO);
        assert!(!matches!(read(&body).fact, Fact::Test));
    }
}
