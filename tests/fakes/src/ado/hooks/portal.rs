//! What people do to subscriptions in the portal, and what follows when they leave. Tests call it.

use serde_json::Value;

use super::notification::LossReason;
use super::subscription::{Subscription, SubscriptionStatus};
use crate::ado::world::World;
use crate::http::Response;

impl World {
    /// All subscriptions, by GUID.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.hooks.subscriptions.values()
    }

    /// The subscription of that GUID.
    pub fn subscription(&self, id: &str) -> Option<&Subscription> {
        self.hooks.subscriptions.get(id)
    }

    /// Changes a subscription as an administrator in the portal would.
    pub fn change_subscription(&mut self, id: &str, change: impl FnOnce(&mut Subscription)) {
        if let Some(subscription) = self.hooks.subscriptions.get_mut(id) {
            change(subscription);
        }
    }

    /// Creates a subscription that belongs to `owner`, with the body of a create call; returns its
    /// GUID. Panics where ADO would refuse it.
    pub fn add_subscription(&mut self, organization: &str, owner: &str, body: &Value) -> String {
        let id = self.try_add_subscription(organization, owner, body);
        assert!(id.is_ok(), "ADO refuses this subscription: {id:?}");
        id.unwrap_or_default()
    }

    /// The same, but returns the refusal.
    pub(crate) fn try_add_subscription(
        &mut self,
        organization: &str,
        owner: &str,
        body: &Value,
    ) -> Result<String, Response> {
        let wanted = self.requested_subscription(organization, body)?;
        let subscription = self.subscription_of(organization, owner, wanted);
        let id = subscription.id.clone();
        self.hooks.subscriptions.insert(id.clone(), subscription);
        Ok(id)
    }

    /// Deletes a subscription; false when there is none of that GUID.
    pub fn remove_subscription(&mut self, id: &str) -> bool {
        self.drop_queued(id, None, LossReason::Disabled);
        self.hooks.subscriptions.remove(id).is_some()
    }

    /// Sets the status of a subscription. Disabling it loses what is queued for it.
    pub fn set_subscription_status(&mut self, id: &str, status: SubscriptionStatus) {
        assert!(self.hooks.subscriptions.contains_key(id), "there is no subscription {id}");
        self.change_subscription(id, |one| one.status = status);
        if !matches!(status, SubscriptionStatus::Enabled | SubscriptionStatus::OnProbation) {
            self.drop_queued(id, None, LossReason::Disabled);
        }
    }

    /// Deactivates an identity: it is no member any more, and its subscriptions are disabled.
    /// Whether ADO goes by the creator or by the last modifier is unknown; here either is enough.
    pub fn deactivate(&mut self, identity: &str) {
        self.remove_member(identity);
        let all = self.hooks.subscriptions.values();
        let own = all.filter(|one| one.created_by == identity || one.modified_by == identity);
        let ids: Vec<_> = own.map(|one| one.id.clone()).collect();
        for id in ids {
            self.set_subscription_status(&id, SubscriptionStatus::DisabledByInactiveIdentity);
        }
    }
}
