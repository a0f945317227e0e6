//! The body and the headers of a delivery.
//!
//! The body is rendered at each attempt: the resource shows the state at that time, not at the time
//! of the event (docs/azure-devops.md §2.3). The keys are those of measured deliveries, §2 there;
//! the texts are not those of ADO.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::event::{EventKind, EventSubject};
use super::notification::{Notification, Outgoing};
use super::subscription::{Inputs, Subscription};
use crate::ado::model::ref_names::is_no_object;
use crate::ado::model::{Comment, PullRequest};
use crate::ado::rest::render::put;
use crate::ado::world::World;
use crate::timestamp::{precise, rfc3339};

impl World {
    /// The next attempt of a notification; none when its subscription was deleted.
    pub(super) fn outgoing(&mut self, token: u64) -> Option<Outgoing> {
        let (activity, request) = (self.random.guid(), self.random.guid());
        let notification = self.hooks.notifications.get(&token)?;
        let subscription = self.hooks.subscriptions.get(&notification.subscription);
        let inputs = match &notification.test {
            Some(test) => &test.inputs,
            None => &subscription?.consumer_inputs,
        };
        let mut headers = vec![
            ("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned()),
            ("X-VSS-ActivityId".to_owned(), activity),
            ("X-VSS-SubscriptionId".to_owned(), notification.subscription.clone()),
            ("Request-Id".to_owned(), request),
        ];
        headers.extend(configured_headers(inputs));
        let body = self.body(notification, subscription, inputs);
        Some(Outgoing {
            token,
            subscription: notification.subscription.clone(),
            notification: notification.number,
            url: inputs.get("url").cloned().unwrap_or_default(),
            headers,
            body: body.to_string().into_bytes(),
            attempt: notification.attempts.len() as u32 + 1,
        })
    }

    fn body(
        &self,
        notification: &Notification,
        subscription: Option<&Subscription>,
        inputs: &Inputs,
    ) -> Value {
        let event = &notification.event;
        let version = match (&notification.test, subscription) {
            (Some(test), _) => test.resource_version.as_str(),
            (None, subscription) => subscription.map_or("1.0", |one| one.resource_version.as_str()),
        };
        // A subscription with version 2.0 of an event that has only 1.0 gets no resource
        // (docs/azure-devops.md §1.2).
        let is_empty = version == "2.0" && event.kind.newest_version() != "2.0";
        let resource = match is_empty {
            true => Value::Null,
            false => self.resource(notification, subscription, inputs, version),
        };
        json!({
            "subscriptionId": notification.subscription,
            "notificationId": notification.number,
            "id": event.id,
            "eventType": event.kind.name(),
            "publisherId": "tfs",
            "scope": "all",
            "message": message(&event.text, inputs.get("messagesToSend")),
            "detailedMessage": message(&event.text, inputs.get("detailedMessagesToSend")),
            "resource": resource,
            "resourceVersion": if is_empty { Value::Null } else { json!(version) },
            "resourceContainers": self.containers(&event.organization, &event.project),
            "createdDate": precise(event.at_ms),
        })
    }

    fn containers(&self, organization: &str, project: &str) -> Value {
        let base = format!("{}/", self.organization_url(organization));
        let known = self.organization(organization);
        json!({
            "collection": {"id": known.collection_id, "baseUrl": base},
            "account": {"id": known.id, "baseUrl": base},
            "project": {"id": project, "baseUrl": base},
        })
    }

    fn resource(
        &self,
        notification: &Notification,
        subscription: Option<&Subscription>,
        inputs: &Inputs,
        version: &str,
    ) -> Value {
        let wanted = inputs.get("resourceDetailsToSend").map_or("", String::as_str);
        let full = match &notification.event.subject {
            EventSubject::Push(push) => self.push_resource(&notification.event.repository, *push),
            EventSubject::PullRequest(id) => {
                self.pull_request_resource(self.pull_request(*id), notification.event.kind)
            }
            EventSubject::Comment { pull_request, thread, comment } => {
                self.comment_resource(*pull_request, *thread, *comment)
            }
            EventSubject::Build(number) => self.completion_resource(*number, version),
            EventSubject::Sample => super::sample::resource(notification.event.kind),
        };
        let is_organization_wide =
            subscription.is_some_and(|one| one.filter("projectId").is_none());
        match wanted {
            "none" => Value::Null,
            "minimal" => reduced(&full, &["id", "pushId", "pullRequestId", "url"]),
            // An organization-wide subscription to pushes that does not ask for all
            // details gets a reduced resource (docs/azure-devops.md §1.1).
            "" if is_organization_wide && notification.event.kind == EventKind::Push => {
                reduced(&full, &["pushId", "date", "pushedBy", "url"])
            }
            _ => full,
        }
    }

    fn push_resource(&self, repository: &str, push: u64) -> Value {
        let repository = self.repository(repository);
        let found = repository.pushes.binary_search_by_key(&push, |push| push.id).ok();
        let Some(push) = found.and_then(|at| repository.pushes.get(at)) else {
            return Value::Null;
        };
        let mut value = self.push_json(repository, push);
        let update = |update: &crate::ado::model::RefUpdate| {
            json!({
                "name": update.name,
                "oldObjectId": update.old,
                "newObjectId": update.new,
            })
        };
        put(&mut value, "refUpdates", push.ref_updates.iter().map(update).collect());
        put(&mut value, "repository", self.repository_json(repository));
        if !push.ref_updates.iter().all(|update| is_no_object(&update.new)) {
            let known = push.commits.iter().filter_map(|sha| repository.commits.get(sha));
            let commits = known.map(|commit| self.commit_json(repository, commit)).collect();
            put(&mut value, "commits", commits);
        }
        value
    }

    fn pull_request_resource(&self, pull_request: &PullRequest, kind: EventKind) -> Value {
        let mut value = self.pull_request_json(pull_request);
        let repository = self.repository(&pull_request.repository);
        let web = format!(
            "{}/{}/_git/{}/pullrequest/{}",
            self.organization_url(&repository.organization),
            repository.project,
            repository.id,
            pull_request.id,
        );
        let statuses = format!("{}/statuses", self.pull_request_url(pull_request));
        put(&mut value, "_links", json!({"web": {"href": web}, "statuses": {"href": statuses}}));
        if kind != EventKind::Created {
            let head = self.commit_link(repository, &pull_request.merge_source);
            put(&mut value, "commits", json!([head]));
        }
        value
    }

    fn comment_resource(&self, id: u64, thread: u64, comment: u64) -> Value {
        let pull_request = self.pull_request(id);
        let found = pull_request.threads.iter().find(|one| one.id == thread);
        let found = found.and_then(|one| one.comments.iter().find(|one| one.id == comment));
        let comment = found.map(|one| self.comment_json(pull_request, thread, one));
        let pull_request = self.pull_request_resource(pull_request, EventKind::Comment);
        json!({"comment": comment, "pullRequest": pull_request})
    }

    pub(crate) fn comment_json(
        &self,
        pull_request: &PullRequest,
        thread: u64,
        comment: &Comment,
    ) -> Value {
        let repository = self.repository(&pull_request.repository);
        let url = self.pull_request_url(pull_request);
        let threads = format!("{url}/threads/{thread}");
        let mut value = json!({
            "id": comment.id,
            "parentCommentId": comment.parent,
            "author": self.identity_json(&comment.by, &repository.organization),
            "content": comment.content,
            "publishedDate": rfc3339(comment.published_ms),
            "lastUpdatedDate": rfc3339(comment.updated_ms),
            "lastContentUpdatedDate": rfc3339(comment.updated_ms),
            "commentType": "text",
            "_links": {
                "self": {"href": format!("{threads}/comments/{}", comment.id)},
                "repository": {"href": self.repository_url(repository)},
                "threads": {"href": threads},
                "pullRequests": {"href": url},
            },
        });
        if comment.is_deleted {
            put(&mut value, "isDeleted", json!(true));
        }
        value
    }
}

fn message(text: &str, wanted: Option<&String>) -> Value {
    match wanted.map_or("", String::as_str) {
        "none" => Value::Null,
        form @ ("text" | "html" | "markdown") => json!({form: text}),
        _ => json!({"text": text, "html": text, "markdown": text}),
    }
}

fn reduced(full: &Value, keys: &[&str]) -> Value {
    let pairs = keys.iter().filter_map(|&key| Some((key.to_owned(), full.get(key)?.clone())));
    Value::Object(pairs.collect())
}

/// The headers that the subscription configures, and Basic authentication
/// (docs/azure-devops.md §1.1).
fn configured_headers(inputs: &Inputs) -> Vec<(String, String)> {
    let text = |name: &str| inputs.get(name).map_or("", String::as_str);
    let lines = text("httpHeaders").lines().filter_map(|line| line.split_once(':'));
    let mut headers: Vec<_> =
        lines.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
    let (user, password) = (text("basicAuthUsername"), text("basicAuthPassword"));
    if !user.is_empty() || !password.is_empty() {
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        headers.push(("Authorization".to_owned(), format!("Basic {encoded}")));
    }
    headers
}

/// A request as the notification history shows it, with the credential masked
/// (docs/azure-devops.md §1.1).
pub(super) fn masked_request(outgoing: &Outgoing) -> String {
    let mut text =
        format!("Method: POST\nURI: {}\nHTTP Version: 1.1\nHeaders:\n{{\n", outgoing.url);
    for (name, value) in &outgoing.headers {
        let shown = if name == "Authorization" { "********" } else { value };
        text.push_str(&format!("  {name}: {shown}\n"));
    }
    text.push_str("}\nContent:\n");
    text.push_str(&String::from_utf8_lossy(&outgoing.body));
    text
}
