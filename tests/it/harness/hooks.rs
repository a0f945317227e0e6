//! The subscriptions of a gateway, as the fake Azure DevOps has them.

use fakes::ado::SubscriptionStatus;
use fakes::ado::hooks::Subscription;

use super::{Env, ORGANIZATION};

impl Env {
    /// The subscriptions that deliver to the gateway at this address, whatever their status.
    pub(crate) fn hooks_of(&self, gateway: &str) -> Vec<Subscription> {
        let prefix = prefix(gateway);
        let is_its = |one: &&Subscription| one.consumer_inputs["url"].starts_with(&prefix);
        self.shell.ado(|ado| ado.subscriptions().filter(is_its).cloned().collect())
    }

    /// Waits until `count` subscriptions deliver to the gateway at this address, each for another
    /// type of event and all of them enabled.
    pub(crate) async fn until_hooks(&self, gateway: &str, count: usize) -> Vec<Subscription> {
        let prefix = prefix(gateway);
        self.until(&format!("{count} hooks are enabled, and none besides"), |ado, _| {
            let all: Vec<&Subscription> = ado
                .subscriptions()
                .filter(|one| one.consumer_inputs["url"].starts_with(&prefix))
                .collect();
            let mut types: Vec<&str> = all.iter().map(|one| one.event_type.as_str()).collect();
            types.sort_unstable();
            types.dedup();
            let is_on = |one: &&Subscription| one.status == SubscriptionStatus::Enabled;
            all.len() == count && types.len() == count && all.iter().all(is_on)
        })
        .await;
        self.hooks_of(gateway)
    }
}

fn prefix(gateway: &str) -> String {
    format!("{gateway}/hooks/azure-devops/{ORGANIZATION}/")
}
