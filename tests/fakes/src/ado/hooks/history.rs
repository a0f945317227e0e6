//! The notification history over REST (docs/azure-devops.md §3).
//!
//! It goes back seven days (docs/azure-devops.md §1.4). Events that were lost during probation are
//! not in it, since they were never queued.

use serde_json::{Value, json};

use super::notification::{Answer, NO_SUBSCRIPTION, Notification, Progress};
use super::rest::{masked, number};
use super::subscription::{Inputs, Subscription};
use crate::ado::rest::query_parameters::point_in_time;
use crate::ado::rest::refusal::{bad_request, not_found};
use crate::ado::rest::render::{list, put};
use crate::ado::rest::route::{Call, Reply};
use crate::ado::security::permission::Permission;
use crate::ado::world::World;
use crate::http::Response;
use crate::timestamp::rfc3339;

/// How long a notification is in the history.
const HISTORY_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

impl World {
    /// The notifications of a subscription that are in the history, newest first.
    fn history(&self, id: &str) -> impl Iterator<Item = &Notification> {
        let since_ms = self.now_ms - HISTORY_MS;
        let all = self.notifications(id).into_iter().rev();
        all.filter(move |one| one.created_ms >= since_ms)
    }

    pub(super) fn list_notifications(&self, call: &Call<'_>, id: &str) -> Reply {
        let subscription = self.known_subscription(call, id)?;
        let limit = number(call.request, "maxResults").unwrap_or(100);
        let wanted = |name: &str, word: &str| {
            call.request.query(name).is_none_or(|wanted| wanted.eq_ignore_ascii_case(word))
        };
        let found = self.history(id).filter(|one| {
            let (status, result) = words(one);
            wanted("status", status) && wanted("result", result)
        });
        let values = found.take(limit).map(|one| notification_of(one, subscription));
        Ok(Response::json(200, &list(values.collect())))
    }

    pub(super) fn get_notification(&self, call: &Call<'_>, id: &str, wanted: &str) -> Reply {
        let subscription = self.known_subscription(call, id)?;
        let found =
            self.history(id).find(|one| one.number.to_string() == wanted).ok_or_else(|| {
                let text = format!("The notification {wanted} does not exist.");
                not_found("NotificationNotFoundException", &text)
            })?;
        Ok(Response::json(200, &notification_of(found, subscription)))
    }

    /// `POST _apis/hooks/notificationsquery`: the history of several subscriptions at once.
    pub(super) fn query_notifications(&self, call: &Call<'_>) -> Reply {
        let mut body = call.json()?;
        let query = Query::of(&body)?;
        let (mut results, mut summary, mut associated) = (Vec::new(), Vec::new(), Vec::new());
        for one in self.hooks.subscriptions.values() {
            let wanted = query.subscriptions.as_ref().is_none_or(|ids| ids.contains(&one.id));
            if !wanted
                || one.organization != call.organization
                || !self.may_with(call, Permission::ViewSubscriptions, &one.publisher_inputs)
            {
                continue;
            }
            let found: Vec<_> = self.history(&one.id).filter(|each| query.matches(each)).collect();
            summary.push(json!({"subscriptionId": one.id, "results": counts(&found)}));
            associated.push(self.subscription_json(one));
            let newest = found.into_iter().take(query.of_each);
            results.extend(newest.map(|each| (each.created_ms, query.to_json(each, one))));
        }
        results.sort_by_key(|(created_ms, _)| std::cmp::Reverse(*created_ms));
        let results = results.into_iter().take(query.of_all).map(|(_, value)| value);
        put(&mut body, "results", results.collect());
        put(&mut body, "summary", Value::Array(summary));
        put(&mut body, "associatedSubscriptions", Value::Array(associated));
        Ok(Response::json(200, &body))
    }
}

/// The arguments of a query of the history.
struct Query {
    subscriptions: Option<Vec<String>>,
    from_ms: i64,
    to_ms: i64,
    of_all: usize,
    of_each: usize,
    status: Option<String>,
    result: Option<String>,
    with_details: bool,
}

impl Query {
    fn of(body: &Value) -> Result<Self, Response> {
        if !body.is_object() {
            return Err(bad_request("A query must be an object."));
        }
        let time = |key: &str, open_ms: i64| {
            let given = body.get(key).and_then(Value::as_str);
            given.map_or(Ok(open_ms), |text| point_in_time(key, text))
        };
        let number = |key: &str| {
            let given = body.get(key).and_then(Value::as_u64);
            given.and_then(|number| usize::try_from(number).ok())
        };
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let ids = body.get("subscriptionIds").and_then(Value::as_array);
        let ids = ids
            .filter(|ids| !ids.is_empty())
            .map(|ids| ids.iter().filter_map(Value::as_str).map(str::to_ascii_lowercase).collect());
        Ok(Self {
            subscriptions: ids,
            from_ms: time("minCreatedDate", i64::MIN)?,
            to_ms: time("maxCreatedDate", i64::MAX)?,
            of_all: number("maxResults").unwrap_or(100),
            of_each: number("maxResultsPerSubscription").unwrap_or(usize::MAX),
            status: text("status"),
            result: text("resultType"),
            with_details: body.get("includeDetails").and_then(Value::as_bool) == Some(true),
        })
    }

    fn matches(&self, notification: &Notification) -> bool {
        let (status, result) = words(notification);
        let is = |wanted: &Option<String>, word: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(word))
        };
        (self.from_ms..=self.to_ms).contains(&notification.created_ms)
            && is(&self.status, status)
            && is(&self.result, result)
    }

    fn to_json(&self, notification: &Notification, subscription: &Subscription) -> Value {
        let mut value = notification_of(notification, subscription);
        if !self.with_details {
            put(&mut value, "details", Value::Null);
        }
        value
    }
}

/// How many notifications there are of each result.
fn counts(found: &[&Notification]) -> Value {
    let count = |result| found.iter().filter(|one| words(one).1 == result).count();
    let all = ["pending", "succeeded", "failed"].map(|result| (result, count(result)));
    let some = all.into_iter().filter(|(_, count)| *count > 0);
    some.map(|(result, count)| json!({"result": result, "notificationCount": count})).collect()
}

fn notification_of(notification: &Notification, subscription: &Subscription) -> Value {
    notification_json(notification, &subscription.publisher_inputs, &subscription.consumer_inputs)
}

pub(super) fn notification_json(
    notification: &Notification,
    publisher: &Inputs,
    consumer: &Inputs,
) -> Value {
    let (status, result) = words(notification);
    let mut details = json!({
        "eventType": notification.event.kind.name(),
        "publisherId": "tfs",
        "publisherInputs": publisher,
        "consumerId": "webHooks",
        "consumerActionId": "httpRequest",
        "consumerInputs": masked(consumer),
        "queuedDate": rfc3339(notification.created_ms),
        "requestAttempts": notification.attempts.len(),
        "request": notification.request,
    });
    if let Some(attempt) = notification.attempts.last() {
        put(&mut details, "response", json!(response_text(attempt.answer)));
        put(&mut details, "processedDate", json!(rfc3339(attempt.at_ms)));
        if notification.progress != Progress::Succeeded {
            put(&mut details, "errorMessage", json!(response_text(attempt.answer)));
        }
    }
    if let Some(at_ms) = notification.completed_ms {
        put(&mut details, "completedDate", json!(rfc3339(at_ms)));
    }
    json!({
        "id": notification.number,
        "subscriptionId": notification.subscription,
        "subscriberId": NO_SUBSCRIPTION,
        "eventId": notification.event.id,
        "status": status,
        "result": result,
        "createdDate": rfc3339(notification.created_ms),
        "modifiedDate": rfc3339(notification.completed_ms.unwrap_or(notification.created_ms)),
        "details": details,
    })
}

fn words(notification: &Notification) -> (&'static str, &'static str) {
    match notification.progress {
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
