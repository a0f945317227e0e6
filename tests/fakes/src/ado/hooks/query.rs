//! Look-ups of subscriptions over REST.
//!
//! A look-up that names no event type times out in large organizations (docs/azure-devops.md §3).
//! The fake counts such look-ups and lets them fail beyond a number of subscriptions.

use serde_json::Value;

use super::subscription::{Inputs, Subscription};
use crate::ado::options::UnfilteredLookup;
use crate::ado::rest::refusal::bad_request;
use crate::ado::rest::render::{list, put};
use crate::ado::rest::route::{Call, Reply};
use crate::ado::security::permission::Permission;
use crate::ado::world::World;
use crate::http::{Release, Response};

impl World {
    /// How many look-ups of subscriptions named no event type.
    pub fn unfiltered_lookups(&self) -> u64 {
        self.hooks.unfiltered_lookups
    }

    pub(super) fn list_subscriptions(&mut self, call: &Call<'_>) -> Response {
        if let Some(failure) = self.unfiltered(call, call.request.query("eventType")) {
            return failure;
        }
        let asked = |name: &str, value: &str| {
            call.request.query(name).is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
        };
        let found = self.hooks.subscriptions.values().filter(|one| {
            one.organization == call.organization
                && asked("publisherId", "tfs")
                && asked("eventType", &one.event_type)
                && asked("consumerId", "webHooks")
                && asked("consumerActionId", "httpRequest")
                && self.may_with(call, Permission::ViewSubscriptions, &one.publisher_inputs)
        });
        let values = found.map(|one| self.subscription_json(one)).collect();
        Response::json(200, &list(values))
    }

    pub(super) fn query_subscriptions(&mut self, call: &Call<'_>) -> Reply {
        let mut body = call.json()?;
        if !body.is_object() {
            return Err(bad_request("A query must be an object."));
        }
        if let Some(failure) = self.unfiltered(call, body.get("eventType").and_then(Value::as_str))
        {
            return Err(failure);
        }
        let mut results = Vec::new();
        for one in self.hooks.subscriptions.values() {
            if one.organization == call.organization
                && self.may_with(call, Permission::ViewSubscriptions, &one.publisher_inputs)
                && matches_query(one, &body)?
            {
                results.push(self.subscription_json(one));
            }
        }
        put(&mut body, "results", Value::Array(results));
        Ok(Response::json(200, &body))
    }

    /// Counts a look-up without an event type, and returns its failure in a large organization.
    fn unfiltered(&mut self, call: &Call<'_>, event_type: Option<&str>) -> Option<Response> {
        if event_type.is_some_and(|name| !name.is_empty()) {
            return None;
        }
        self.hooks.unfiltered_lookups += 1;
        let all = self.hooks.subscriptions.values();
        let own = all.filter(|one| one.organization == call.organization).count();
        let page = Response::html(500, "<html><title>The request took too long</title></html>");
        (own > self.options.unfiltered_lookup_limit).then_some(
            match self.options.unfiltered_lookup {
                UnfilteredLookup::NeverAnswered => Response { release: Release::Never, ..page },
                UnfilteredLookup::ServerError => page,
            },
        )
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

/// Whether one of the filters matches. A filter matches when all of its conditions do.
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
