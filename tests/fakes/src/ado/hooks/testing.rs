//! Test notifications over REST (docs/azure-devops.md §1.3, §3).
//!
//! They are delivered with the details of the request, not with those of the subscription: a caller
//! that copies a masked secret into it gets the asterisks delivered. The details have no version of
//! the resource: it is that of the subscription. Whether a test changes the status of its
//! subscription is not documented; here it does not, whether it succeeds or fails.

use serde_json::Value;

use super::event::{Event, EventKind, EventSubject};
use super::history::notification_json;
use super::notification::{NO_SUBSCRIPTION, TestDetails};
use crate::ado::rest::refusal::{bad_request, refuse_unless};
use crate::ado::rest::route::{Call, Reply};
use crate::ado::world::World;
use crate::http::Response;

/// The properties of `NotificationDetails` in the published document. Whether ADO refuses others is
/// not documented; the strict reading applies.
const DETAILS: [&str; 17] = [
    "completedDate",
    "consumerActionId",
    "consumerId",
    "consumerInputs",
    "dequeuedDate",
    "errorDetail",
    "errorMessage",
    "event",
    "eventType",
    "processedDate",
    "publisherId",
    "publisherInputs",
    "queuedDate",
    "request",
    "requestAttempts",
    "requestDuration",
    "response",
];

impl World {
    /// Queues a test notification. The GUID of its subscription is zeros unless it names a saved
    /// one (docs/azure-devops.md §1.3).
    pub(super) fn test_notification(&mut self, call: &Call<'_>) -> Reply {
        let body = call.json()?;
        let details = body.get("details").cloned().unwrap_or(Value::Null);
        for name in details.as_object().into_iter().flatten().map(|(name, _)| name) {
            let is_known = DETAILS.contains(&name.as_str());
            refuse_unless(is_known, &format!("The details of a notification have no {name}."))?;
        }
        let wanted = self.requested_subscription(&call.organization, &details)?;
        let kind = EventKind::parse(&wanted.event_type)
            .ok_or_else(|| bad_request("This event type has no test notification."))?;
        let saved = body.get("subscriptionId").and_then(Value::as_str).unwrap_or(NO_SUBSCRIPTION);
        let resource_version = match saved {
            NO_SUBSCRIPTION => wanted.resource_version,
            saved => self.known_subscription(call, saved)?.resource_version.clone(),
        };
        let event = self.sample_event(call, kind);
        let (publisher, inputs) = (wanted.publisher_inputs, wanted.consumer_inputs);
        let test = TestDetails { inputs: inputs.clone(), resource_version };
        let token = self.enqueue(saved, event, Some(test));
        let queued = self.hooks.notifications.get(&token);
        let answer = queued.map(|one| notification_json(one, &publisher, &inputs));
        Ok(Response::json(200, &answer.unwrap_or(Value::Null)))
    }

    fn sample_event(&self, call: &Call<'_>, kind: EventKind) -> Event {
        let mut all = self.projects.iter().filter(|one| !one.is_deleted);
        let project = all.find(|one| one.organization == call.organization);
        Event {
            id: super::sample::event_id(kind).to_owned(),
            kind,
            organization: call.organization.clone(),
            project: project.map_or(NO_SUBSCRIPTION.to_owned(), |project| project.id.clone()),
            repository: String::new(),
            subject: EventSubject::Sample,
            at_ms: self.now_ms,
            text: "This is a test of a service hook".to_owned(),
            branches: Vec::new(),
            notification_type: None,
            merge_result: None,
            definition_name: None,
            build_status: None,
            created_by: call.caller.identity.clone(),
        }
    }
}
