//! Reads a delivery: any bytes become a fact. A fact that starts no run says why, in words that an
//! operator can act upon.

use super::build::build;
use super::comment::comment_event;
use super::envelope::outermost;
use super::lenient::{filled, text};
use super::pull_request::pull_request;
use super::push::push;
use super::repository::{container_project, elsewhere};
use super::samples::{is_sample_repository, is_test};
use super::wire::Body;
use super::{Delivered, NotUnderstood};
use crate::ado::subscriptions::topic_of;
use crate::domain::event::{Event, Repository};
use crate::domain::fact::Fact;
use crate::domain::text::cut;
use crate::domain::time::Timestamp;

/// Event types of Azure DevOps have at most 50 characters. They appear in answers and logs.
const EVENT_TYPE_CHARS_MAX: usize = 100;

/// The type of the events about comments.
pub(super) const COMMENT: &str = "ms.vss-code.git-pullrequest-comment-event";

/// Reads a delivery.
pub fn read(body: &[u8]) -> Delivered {
    // A commit message may hold bytes that are not UTF-8: they are replaced.
    let body = String::from_utf8_lossy(body);
    let body: Body<'_> = match outermost(body.as_bytes()) {
        Ok(body) => body,
        Err(NotUnderstood { reason }) => return unreadable(reason),
    };
    let created_at = text(body.created_date).and_then(|at| Timestamp::parse(&at));
    let Some(event_type) = filled(body.event_type) else {
        return Delivered { created_at, ..unreadable("a JSON object without eventType".into()) };
    };
    let topic = topic_of(&event_type);
    let event_type = cut(&event_type, EVENT_TYPE_CHARS_MAX);
    let (fact, repository, former_name) =
        if is_test(&body) { (Fact::Test, None, None) } else { fact(&event_type, &body) };
    Delivered { event_type: Some(event_type), topic, created_at, fact, repository, former_name }
}

fn unreadable(reason: String) -> Delivered {
    Delivered {
        event_type: None,
        topic: None,
        created_at: None,
        fact: Fact::Unreadable(reason),
        repository: None,
        former_name: None,
    }
}

type Found = (Fact, Option<Repository>, Option<String>);

/// Event types by their ids. Microsoft Learn: "Service hooks events"; docs/azure-devops.md §2.2.
fn fact(event_type: &str, body: &Body<'_>) -> Found {
    let project = container_project(body);
    let read = match event_type {
        "git.push" => push(body.resource, project).map(Fact::Push),
        "git.pullrequest.created" | "git.pullrequest.updated" => {
            pull_request(body.resource, project).map(Fact::PullRequest)
        }
        COMMENT => comment_event(body.resource, project).map(Fact::Comment),
        "build.complete" => build(body.resource, project).map(Fact::BuildCompleted),
        "git.pullrequest.merged" => pull_request(body.resource, project).map(Fact::MergeAttempted),
        _ => Ok(other(event_type)),
    };
    match read {
        Ok(fact) => located(fact, body),
        Err(lacking) => (Fact::Incomplete(without(event_type, lacking)), None, None),
    }
}

fn located(fact: Fact, body: &Body<'_>) -> Found {
    let (repository, former_name) = match &fact {
        Fact::Push(push) => (Some(push.repository.clone()), None),
        Fact::PullRequest(seen) | Fact::MergeAttempted(seen) => {
            (Some(seen.repository.clone()), None)
        }
        Fact::Comment(comment) => (Some(comment.repository.clone()), None),
        Fact::BuildCompleted(_) => (None, None),
        _ => {
            let (repository, former_name) = elsewhere(body);
            let is_rename = fact == Fact::Other(Event::RepositoryRenamed);
            (repository, former_name.filter(|_| is_rename))
        }
    };
    if repository.as_ref().is_some_and(|repository| is_sample_repository(&repository.id)) {
        return (Fact::Test, None, None);
    }
    (fact, repository, former_name)
}

fn other(event_type: &str) -> Fact {
    Fact::Other(match event_type {
        "git.repo.created" => Event::RepositoryCreated,
        "git.repo.renamed" => Event::RepositoryRenamed,
        "git.repo.deleted" => Event::RepositoryDeleted,
        "git.repo.forked" => Event::RepositoryForked,
        "git.repo.statuschanged" => Event::RepositoryStatusChanged,
        _ if event_type.starts_with("ms.vss-pipelines.") => Event::PipelineRunChanged,
        _ => return Fact::Incomplete("no check can be started by this event type".into()),
    })
}

/// The settings of a subscription may cut the resource down, and so does a resource version that
/// Azure DevOps accepts and does not deliver (docs/azure-devops.md §1.1 and §1.2).
fn without(event_type: &str, lacking: &str) -> String {
    let version = if event_type == COMMENT { "2.0" } else { "1.0" };
    format!(
        "came without {lacking}; the subscription must have \
         resourceDetailsToSend = all and resourceVersion = {version}"
    )
}
