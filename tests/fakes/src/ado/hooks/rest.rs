//! Subscriptions over REST (docs/azure-devops.md §3).
//!
//! Confidential inputs are answered as eight asterisks. Whether a PUT with the asterisks keeps the
//! secret is unknown; here it overwrites the secret, which is the worst case for a caller.

use serde_json::{Value, json};

use super::notification::LossReason;
use super::subscription::{Inputs, Subscription, SubscriptionStatus};
use super::validation::RequestedSubscription;
use crate::ado::rest::refusal::{
    bad_request, hooks_permission_missing, method_not_allowed, not_found, page_not_found,
};
use crate::ado::rest::render::put;
use crate::ado::rest::route::{Call, Reply};
use crate::ado::security::permission::{Permission, Resource};
use crate::ado::security::scope::Scope;
use crate::ado::world::World;
use crate::http::{Request, Response};
use crate::timestamp::rfc3339;

/// What stands for a secret in an answer (docs/azure-devops.md §1.1).
pub(super) const MASK: &str = "********";

impl World {
    /// Everything below `_apis/hooks`.
    pub(crate) fn hooks_call(&mut self, call: &Call<'_>, tail: &[&str]) -> Reply {
        if call.project.is_some() {
            // The documented paths of hooks name no project (docs/azure-devops.md §3).
            return Err(page_not_found());
        }
        call.needs(&[Scope::Code, Scope::Build])?;
        let permission = match (call.method(), tail) {
            ("GET", _) | (_, ["subscriptionsquery" | "notificationsquery"]) => {
                Permission::ViewSubscriptions
            }
            _ => Permission::EditSubscriptions,
        };
        if !self.may_somewhere(&call.caller.identity, permission) {
            return Err(hooks_permission_missing(permission));
        }
        match (call.method(), tail) {
            ("GET", ["subscriptions"]) => Ok(self.list_subscriptions(call)),
            ("POST", ["subscriptions"]) => self.create_subscription(call),
            ("POST", ["subscriptionsquery"]) => self.query_subscriptions(call),
            ("GET", ["subscriptions", id]) => self.get_subscription(call, id),
            ("PUT", ["subscriptions", id]) => self.replace_subscription(call, id),
            ("DELETE", ["subscriptions", id]) => self.delete_subscription(call, id),
            ("GET", ["subscriptions", id, "notifications"]) => self.list_notifications(call, id),
            ("GET", ["subscriptions", id, "notifications", number]) => {
                self.get_notification(call, id, number)
            }
            ("POST", ["notificationsquery"]) => self.query_notifications(call),
            ("POST", ["testnotifications"]) => self.test_notification(call),
            (
                method,
                [
                    "subscriptions" | "subscriptionsquery" | "notificationsquery"
                    | "testnotifications",
                ]
                | ["subscriptions", _],
            ) => Err(method_not_allowed(method)),
            _ => Err(page_not_found()),
        }
    }

    fn create_subscription(&mut self, call: &Call<'_>) -> Reply {
        let wanted = self.requested_subscription(&call.organization, &call.json()?)?;
        self.check_may(call, Permission::EditSubscriptions, &wanted.publisher_inputs)?;
        let by = &call.caller.identity;
        let subscription = self.subscription_of(&call.organization, by, wanted);
        let answer = self.subscription_json(&subscription);
        self.hooks.subscriptions.insert(subscription.id.clone(), subscription);
        Ok(Response::json(200, &answer))
    }

    /// A new subscription. ADO adds the input `tfsSubscriptionId` (docs/azure-devops.md §3).
    pub(super) fn subscription_of(
        &mut self,
        organization: &str,
        by: &str,
        wanted: RequestedSubscription,
    ) -> Subscription {
        let id = self.random.guid();
        let mut publisher_inputs = wanted.publisher_inputs;
        publisher_inputs.insert("tfsSubscriptionId".to_owned(), self.random.guid());
        Subscription {
            id,
            organization: organization.to_owned(),
            event_type: wanted.event_type,
            resource_version: wanted.resource_version,
            publisher_inputs,
            consumer_inputs: wanted.consumer_inputs,
            status: SubscriptionStatus::Enabled,
            created_by: by.to_owned(),
            modified_by: by.to_owned(),
            created_ms: self.now_ms,
            modified_ms: self.now_ms,
            probation_retries: 0,
            last_probation_retry_ms: None,
            last_notification: 0,
        }
    }

    fn get_subscription(&self, call: &Call<'_>, id: &str) -> Reply {
        let subscription = self.known_subscription(call, id)?;
        Ok(Response::json(200, &self.subscription_json(subscription)))
    }

    fn replace_subscription(&mut self, call: &Call<'_>, id: &str) -> Reply {
        let old = self.known_subscription(call, id)?.clone();
        let body = call.json()?;
        let wanted = self.requested_subscription(&call.organization, &body)?;
        self.check_may(call, Permission::EditSubscriptions, &wanted.publisher_inputs)?;
        let status = match body.get("status") {
            None | Some(Value::Null) => old.status,
            Some(Value::String(word)) => SubscriptionStatus::parse(word)
                .map(|wanted| status_after(old.status, wanted))
                .ok_or_else(|| bad_request(&format!("There is no status {word}.")))?,
            Some(_) => return Err(bad_request("status must be text.")),
        };
        let mut publisher_inputs = wanted.publisher_inputs;
        let hidden = old.publisher_inputs.get("tfsSubscriptionId").cloned();
        publisher_inputs.insert("tfsSubscriptionId".to_owned(), hidden.unwrap_or_default());
        let was = old.status;
        let changed = Subscription {
            event_type: wanted.event_type,
            resource_version: wanted.resource_version,
            publisher_inputs,
            consumer_inputs: wanted.consumer_inputs,
            status,
            modified_by: call.caller.identity.clone(),
            modified_ms: self.now_ms,
            ..old
        };
        if was != status {
            // A disabled subscription has no queue.
            self.drop_queued(id, None, LossReason::Disabled);
        }
        let answer = self.subscription_json(&changed);
        self.hooks.subscriptions.insert(id.to_owned(), changed);
        Ok(Response::json(200, &answer))
    }

    fn delete_subscription(&mut self, call: &Call<'_>, id: &str) -> Reply {
        self.known_subscription(call, id)?;
        self.drop_queued(id, None, LossReason::Disabled);
        self.hooks.subscriptions.remove(id);
        Ok(Response::empty(204))
    }

    pub(super) fn known_subscription(
        &self,
        call: &Call<'_>,
        id: &str,
    ) -> Result<&Subscription, Response> {
        let found = self.hooks.subscriptions.get(id);
        let found = found.filter(|one| one.organization == call.organization);
        let found = found.ok_or_else(|| {
            let text = format!("The subscription {id} does not exist.");
            not_found("SubscriptionNotFoundException", &text)
        })?;
        let permission = match call.method() {
            "GET" => Permission::ViewSubscriptions,
            _ => Permission::EditSubscriptions,
        };
        self.check_may(call, permission, &found.publisher_inputs)?;
        Ok(found)
    }

    /// Whether the caller has a permission for subscriptions with these inputs.
    pub(super) fn may_with(
        &self,
        call: &Call<'_>,
        permission: Permission,
        inputs: &Inputs,
    ) -> bool {
        let project = inputs.get("projectId").filter(|id| !id.is_empty());
        let resource = project.map(|id| Resource::of_project(id)).unwrap_or_default();
        self.may_at(&call.caller.identity, permission, &resource)
    }

    fn check_may(
        &self,
        call: &Call<'_>,
        permission: Permission,
        inputs: &Inputs,
    ) -> Result<(), Response> {
        if self.may_with(call, permission, inputs) {
            Ok(())
        } else {
            Err(hooks_permission_missing(permission))
        }
    }

    pub(super) fn subscription_json(&self, subscription: &Subscription) -> Value {
        let url = self.subscription_url(subscription);
        let base = self.organization_url(&subscription.organization);
        let consumer = format!("{base}/_apis/hooks/consumers/webHooks");
        let mut value = json!({
            "id": subscription.id,
            "url": url,
            "status": subscription.status.name(),
            "publisherId": "tfs",
            "eventType": subscription.event_type,
            "subscriber": null,
            "resourceVersion": subscription.resource_version,
            "eventDescription": "Matches the filters of this subscription",
            "consumerId": "webHooks",
            "consumerActionId": "httpRequest",
            "actionDescription": "To a web hook",
            "createdBy": self.identity_json(&subscription.created_by, &subscription.organization),
            "createdDate": rfc3339(subscription.created_ms),
            "modifiedBy": self.identity_json(&subscription.modified_by, &subscription.organization),
            "modifiedDate": rfc3339(subscription.modified_ms),
            "publisherInputs": subscription.publisher_inputs,
            "consumerInputs": masked(&subscription.consumer_inputs),
            "_links": {
                "self": {"href": url},
                "consumer": {"href": consumer},
                "actions": {"href": format!("{consumer}/actions")},
                "notifications": {"href": format!("{url}/notifications")},
                "publisher": {"href": format!("{base}/_apis/hooks/publishers/tfs")},
            },
        });
        // The count of retries stays in the answer after the probation has ended
        // (docs/azure-devops.md §1.4).
        if subscription.probation_retries > 0 {
            put(&mut value, "probationRetries", json!(subscription.probation_retries));
        }
        if let Some(at_ms) = subscription.last_probation_retry_ms {
            put(&mut value, "lastProbationRetryDate", json!(rfc3339(at_ms)));
        }
        value
    }

    fn subscription_url(&self, subscription: &Subscription) -> String {
        let base = self.organization_url(&subscription.organization);
        format!("{base}/_apis/hooks/subscriptions/{}", subscription.id)
    }
}

/// The status after a caller asked for one. A caller can disable a subscription and undo that. It
/// cannot enable what ADO disabled (measured by Sentry, getsentry/sentry#10407), and probation ends
/// only by a successful retry (docs/azure-devops.md §1.3).
fn status_after(current: SubscriptionStatus, requested: SubscriptionStatus) -> SubscriptionStatus {
    use SubscriptionStatus::{DisabledByUser, Enabled, OnProbation};
    match (current, requested) {
        (DisabledByUser, Enabled) => Enabled,
        (Enabled | OnProbation, DisabledByUser) => DisabledByUser,
        _ => current,
    }
}

/// The inputs with their secrets masked.
pub(super) fn masked(inputs: &Inputs) -> Value {
    let shown = inputs.iter().map(|(name, value)| {
        let is_secret = name == "basicAuthPassword" && !value.is_empty();
        (name.clone(), json!(if is_secret { MASK } else { value.as_str() }))
    });
    Value::Object(shown.collect())
}

/// A number in the query; none where it is missing or not a number.
pub(super) fn number(request: &Request, name: &str) -> Option<usize> {
    request.query(name).and_then(|text| text.parse().ok())
}
