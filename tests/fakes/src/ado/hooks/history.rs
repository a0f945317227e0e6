//! The notification history, test notifications and the subscriptions query over REST (facts §3).
//!
//! What probation lost is not in the history: it was never queued. Nothing here changes a
//! subscription.

use serde_json::{Value, json};

use super::event::{Event, Kind, Subject};
use super::notification::{Answer, NO_SUBSCRIPTION, Notification, Progress};
use super::rest::{masked, number};
use super::subscription::{Inputs, Subscription};
use crate::ado::refusal::{bad_request, not_found};
use crate::ado::render::{list, put};
use crate::ado::route::{Call, Reply};
use crate::ado::world::World;
use crate::http::Response;
use crate::moment::written;

impl World {
    pub(super) fn list_notifications(&self, call: &Call<'_>, id: &str) -> Reply {
        let subscription = self.known_subscription(call, id)?;
        let limit = number(call.request, "maxResults").unwrap_or(100);
        let wanted = |name: &str, word: &str| {
            call.request.query(name).is_none_or(|wanted| wanted.eq_ignore_ascii_case(word))
        };
        let all = self.notifications(id).into_iter().rev();
        let found = all.filter(|one| {
            let (status, result) = words(one);
            wanted("status", status) && wanted("result", result)
        });
        let values = found.take(limit).map(|one| notification_of(one, subscription));
        Ok(Response::json(200, &list(values.collect())))
    }

    pub(super) fn get_notification(&self, call: &Call<'_>, id: &str, wanted: &str) -> Reply {
        let subscription = self.known_subscription(call, id)?;
        let mut all = self.notifications(id).into_iter();
        let found = all.find(|one| one.number.to_string() == wanted).ok_or_else(|| {
            let text = format!("The notification {wanted} does not exist.");
            not_found("NotificationNotFoundException", &text)
        })?;
        Ok(Response::json(200, &notification_of(found, subscription)))
    }

    /// Queues a made-up notification; its subscription is all zeros unless saved (facts §1.3).
    pub(super) fn test_notification(&mut self, call: &Call<'_>) -> Reply {
        let body = call.json()?;
        let details = body.get("details").cloned().unwrap_or(Value::Null);
        let wanted = self.wanted(&call.organization, &details)?;
        let kind = Kind::parse(&wanted.event_type)
            .ok_or_else(|| bad_request("This event type has no test notification."))?;
        let saved = body.get("subscriptionId").and_then(Value::as_str).unwrap_or(NO_SUBSCRIPTION);
        if saved != NO_SUBSCRIPTION {
            self.known_subscription(call, saved)?;
        }
        let event = self.sample_event(call, kind);
        let (publisher, consumer) = (wanted.publisher_inputs, wanted.consumer_inputs);
        let token = self.enqueue(saved, event, Some(consumer.clone()));
        let queued = self.hooks.notifications.get(&token);
        let answer = queued.map(|one| notification_json(one, &publisher, &consumer));
        Ok(Response::json(200, &answer.unwrap_or(Value::Null)))
    }

    fn sample_event(&self, call: &Call<'_>, kind: Kind) -> Event {
        let project = self.projects.iter().find(|one| one.organization == call.organization);
        Event {
            id: super::sample::event_id(kind).to_owned(),
            kind,
            organization: call.organization.clone(),
            project: project.map_or(NO_SUBSCRIPTION.to_owned(), |project| project.id.clone()),
            repository: String::new(),
            subject: Subject::Sample,
            at_ms: self.now_ms,
            text: "This is a test of a service hook".to_owned(),
            branches: Vec::new(),
            notification_type: None,
            merge_result: None,
            created_by: call.caller.identity.clone(),
        }
    }

    pub(super) fn query_subscriptions(&self, call: &Call<'_>) -> Reply {
        let mut body = call.json()?;
        if !body.is_object() {
            return Err(bad_request("A query must be an object."));
        }
        let own = |one: &&Subscription| one.organization == call.organization;
        let all = self.hooks.subscriptions.values().filter(own);
        let mut results = Vec::new();
        for one in all {
            if matches_query(one, &body)? {
                results.push(self.subscription_json(one));
            }
        }
        put(&mut body, "results", Value::Array(results));
        Ok(Response::json(200, &body))
    }
}

fn notification_of(one: &Notification, of: &Subscription) -> Value {
    notification_json(one, &of.publisher_inputs, &of.consumer_inputs)
}

fn notification_json(one: &Notification, publisher: &Inputs, consumer: &Inputs) -> Value {
    let (status, result) = words(one);
    let mut details = json!({
        "eventType": one.event.kind.name(),
        "publisherId": "tfs",
        "publisherInputs": publisher,
        "consumerId": "webHooks",
        "consumerActionId": "httpRequest",
        "consumerInputs": masked(consumer),
        "queuedDate": written(one.created_ms),
        "requestAttempts": one.attempts.len(),
        "request": one.request,
    });
    if let Some(attempt) = one.attempts.last() {
        put(&mut details, "response", json!(response_text(attempt.answer)));
        put(&mut details, "processedDate", json!(written(attempt.at_ms)));
        if one.progress != Progress::Succeeded {
            put(&mut details, "errorMessage", json!(response_text(attempt.answer)));
        }
    }
    if let Some(at_ms) = one.completed_ms {
        put(&mut details, "completedDate", json!(written(at_ms)));
    }
    json!({
        "id": one.number,
        "subscriptionId": one.subscription,
        "subscriberId": NO_SUBSCRIPTION,
        "eventId": one.event.id,
        "status": status,
        "result": result,
        "createdDate": written(one.created_ms),
        "modifiedDate": written(one.completed_ms.unwrap_or(one.created_ms)),
        "details": details,
    })
}

fn words(one: &Notification) -> (&'static str, &'static str) {
    match one.progress {
        Progress::Waiting => ("queued", "pending"),
        Progress::InFlight => ("requestInProgress", "pending"),
        Progress::Succeeded => ("completed", "succeeded"),
        Progress::Failed => ("completed", "failed"),
    }
}

fn response_text(answer: Answer) -> String {
    match answer {
        Answer::Status(status) => format!("Status Code: {status}"),
        Answer::NoConnection => "Unable to connect to the remote server".to_owned(),
        Answer::Timeout => "The request was not answered in time".to_owned(),
        Answer::DroppedAfterSend => "The connection was closed".to_owned(),
    }
}

fn matches_query(one: &Subscription, query: &Value) -> Result<bool, Response> {
    let asked = |key: &str, value: &str| {
        query.get(key).and_then(Value::as_str).is_none_or(|wanted| wanted == value)
    };
    Ok(asked("publisherId", "tfs")
        && asked("eventType", &one.event_type)
        && asked("consumerId", "webHooks")
        && asked("consumerActionId", "httpRequest")
        && matches_filters(query.get("publisherInputFilters"), &one.publisher_inputs)?
        && matches_filters(query.get("consumerInputFilters"), &one.consumer_inputs)?)
}

/// Any filter may match; a filter matches when all of its conditions do.
fn matches_filters(filters: Option<&Value>, inputs: &Inputs) -> Result<bool, Response> {
    let Some(filters) = filters.and_then(Value::as_array).filter(|all| !all.is_empty()) else {
        return Ok(true);
    };
    let mut any = false;
    for filter in filters {
        let mut all = true;
        for condition in filter.get("conditions").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
            let equal = inputs
                .get(text("inputId"))
                .map_or("", String::as_str)
                .eq_ignore_ascii_case(text("inputValue"));
            all &= match text("operator") {
                "equals" => equal,
                "notEquals" => !equal,
                other => return Err(bad_request(&format!("There is no operator {other}."))),
            };
        }
        any |= all;
    }
    Ok(any)
}
