//! What follows from a lasting failure: probation, the loss of the queue, disabling.
//!
//! On probation only the failed notification is retried, at growing intervals over a day and a
//! half. All other events for the subscription are lost (docs/azure-devops.md §1.3).

use super::classification::{PROBATION_WAITS_S, wait_ms};
use super::notification::{LossReason, LostEvent, Notification, Progress};
use super::subscription::SubscriptionStatus;
use crate::ado::world::World;

impl World {
    /// The kept notifications of a subscription, oldest first.
    pub fn notifications(&self, subscription: &str) -> Vec<&Notification> {
        let all = self.hooks.notifications.values();
        all.filter(|notification| notification.subscription == subscription).collect()
    }

    /// All kept notifications, oldest first.
    pub fn all_notifications(&self) -> impl Iterator<Item = &Notification> {
        self.hooks.notifications.values()
    }

    /// The events that subscriptions lost, oldest first.
    pub fn lost(&self) -> &[LostEvent] {
        &self.hooks.lost
    }

    /// How many deliveries are queued or under way.
    pub fn deliveries_pending(&self) -> usize {
        self.hooks.due.len() + self.hooks.in_flight.len()
    }

    /// How many deliveries are under way.
    pub fn deliveries_under_way(&self) -> usize {
        self.hooks.in_flight.len()
    }

    /// Handles a failure that is not or no longer retried quickly.
    pub(super) fn handle_lasting_failure(&mut self, token: u64) {
        let Some(notification) = self.hooks.notifications.get_mut(&token) else { return };
        let id = notification.subscription.clone();
        let Some(subscription) = self.hooks.subscriptions.get_mut(&id) else {
            return self.finish(token, Progress::Failed);
        };
        if notification.is_on_probation {
            return self.handle_failure_on_probation(token);
        }
        if subscription.status != SubscriptionStatus::Enabled {
            // The subscription is on probation for another notification; this one is not retried.
            return self.give_up(token, LossReason::OnProbation);
        }
        subscription.probation_retries = 0;
        notification.is_on_probation = true;
        self.stop_subscription(token, SubscriptionStatus::OnProbation);
        self.retry_on_probation(token, 0);
    }

    fn handle_failure_on_probation(&mut self, token: u64) {
        let now_ms = self.now_ms;
        let Some(notification) = self.hooks.notifications.get_mut(&token) else { return };
        notification.probation_retries += 1;
        let retries = notification.probation_retries;
        let id = notification.subscription.clone();
        if let Some(subscription) = self.hooks.subscriptions.get_mut(&id) {
            subscription.probation_retries = retries;
            subscription.last_probation_retry_ms = Some(now_ms);
        }
        self.retry_on_probation(token, retries);
    }

    fn retry_on_probation(&mut self, token: u64, retries: u32) {
        match wait_ms(&PROBATION_WAITS_S, retries, self.options.time_scale) {
            Some(wait) => self.retry(token, wait),
            None => {
                self.finish(token, Progress::Failed);
                self.stop_subscription(token, SubscriptionStatus::DisabledBySystem);
            }
        }
    }

    /// Sets the status of the subscription of a notification. What is queued for it is lost, except
    /// the notification itself.
    pub(super) fn stop_subscription(&mut self, token: u64, status: SubscriptionStatus) {
        let Some(notification) = self.hooks.notifications.get(&token) else { return };
        let id = notification.subscription.clone();
        if let Some(subscription) = self.hooks.subscriptions.get_mut(&id) {
            subscription.status = status;
        }
        let why = match status {
            SubscriptionStatus::OnProbation => LossReason::OnProbation,
            _ => LossReason::Disabled,
        };
        self.drop_queued(&id, Some(token), why);
    }

    /// Gives up the queued notifications of a subscription, except tests.
    pub(in crate::ado) fn drop_queued(&mut self, id: &str, except: Option<u64>, why: LossReason) {
        let waiting = self.hooks.due.iter().map(|(_, token)| *token);
        let others: Vec<_> = waiting
            .filter(|token| Some(*token) != except)
            .filter(|token| {
                let notification = self.hooks.notifications.get(token);
                notification.is_some_and(|one| one.subscription == id && one.test.is_none())
            })
            .collect();
        for token in others {
            self.give_up(token, why);
        }
    }

    fn give_up(&mut self, token: u64, why: LossReason) {
        self.finish(token, Progress::Failed);
        if let Some(notification) = self.hooks.notifications.get(&token) {
            let (subscription, event) =
                (notification.subscription.clone(), notification.event.clone());
            self.record_loss(&subscription, event, why);
        }
    }

    pub(super) fn finish(&mut self, token: u64, progress: Progress) {
        let now_ms = self.now_ms;
        if let Some(notification) = self.hooks.notifications.get_mut(&token) {
            notification.progress = progress;
            notification.completed_ms = Some(now_ms);
            self.hooks.due.remove(&(notification.due_ms, token));
        }
        self.drop_oldest_finished();
    }

    /// Drops the oldest finished notifications beyond the limit, so that a load test does not fill
    /// the memory.
    fn drop_oldest_finished(&mut self) {
        let excess = self.hooks.notifications.len().saturating_sub(self.options.notifications_kept);
        let finished =
            |one: &Notification| matches!(one.progress, Progress::Succeeded | Progress::Failed);
        for _ in 0..excess {
            let Some(oldest) = self.hooks.notifications.first_entry() else { return };
            if !finished(oldest.get()) {
                return;
            }
            oldest.remove();
        }
    }
}
