//! The queue of notifications: attempts and quick retries.
//!
//! The shell takes due deliveries from here, sends them, and gives the answers back. What follows
//! from a lasting failure is in `probation`.

use super::classification::{Class, TRANSIENT_WAITS_S, class, wait_ms};
use super::event::Event;
use super::notification::TestDetails;
pub use super::notification::{
    Answer, Attempt, LossReason, LostEvent, Notification, Outgoing, Progress,
};
use super::subscription::SubscriptionStatus;
use crate::ado::world::World;

impl World {
    /// Queues a notification. `test` has the details of a test notification, which never changes
    /// the status of its subscription.
    pub(crate) fn enqueue(&mut self, id: &str, event: Event, test: Option<TestDetails>) -> u64 {
        self.hooks.last_token += 1;
        let token = self.hooks.last_token;
        let number = match self.hooks.subscriptions.get_mut(id) {
            Some(subscription) => {
                subscription.last_notification += 1;
                subscription.last_notification
            }
            None => {
                self.hooks.last_test_number += 1;
                self.hooks.last_test_number
            }
        };
        let jitter = self.random.below(self.options.delivery_jitter_ms + 1);
        let wait_ms = self.options.delivery_delay_ms.saturating_add(jitter);
        let due_ms = self.now_ms.saturating_add_unsigned(wait_ms);
        let notification = Notification {
            number,
            subscription: id.to_owned(),
            event,
            progress: Progress::Waiting,
            attempts: Vec::new(),
            request: String::new(),
            created_ms: self.now_ms,
            completed_ms: None,
            due_ms,
            transient_retries: 0,
            probation_retries: 0,
            is_on_probation: false,
            test,
        };
        self.hooks.notifications.insert(token, notification);
        self.hooks.due.insert((due_ms, token));
        token
    }

    /// The deliveries that are due. Each must be given back to `delivery_answered`.
    pub fn due_deliveries(&mut self, now_ms: i64) -> Vec<Outgoing> {
        self.due_deliveries_at_most(now_ms, usize::MAX)
    }

    /// The first `limit` deliveries that are due.
    pub fn due_deliveries_at_most(&mut self, now_ms: i64, limit: usize) -> Vec<Outgoing> {
        self.set_now(now_ms);
        let mut outgoing = Vec::new();
        while outgoing.len() < limit {
            let Some(&(due_ms, token)) = self.hooks.due.first() else { break };
            if due_ms > self.now_ms {
                break;
            }
            self.hooks.due.pop_first();
            outgoing.extend(self.begin_attempt(token));
        }
        outgoing
    }

    /// When the next delivery, queued merge attempt or end of a build falls due.
    pub fn next_due_ms(&self) -> Option<i64> {
        let delivery = self.next_delivery_ms();
        let merge = self.queued_merges.iter().map(|(due_ms, _)| *due_ms).min();
        let build = self.has_unsettled_build().then_some(self.now_ms);
        delivery.into_iter().chain(merge).chain(build).min()
    }

    /// When the next delivery falls due.
    pub fn next_delivery_ms(&self) -> Option<i64> {
        self.hooks.due.first().map(|(due_ms, _)| *due_ms)
    }

    fn begin_attempt(&mut self, token: u64) -> Option<Outgoing> {
        let outgoing = self.outgoing(token)?;
        let notification = self.hooks.notifications.get_mut(&token)?;
        notification.progress = Progress::InFlight;
        notification.request = super::payload::masked_request(&outgoing);
        self.hooks.in_flight.insert(token);
        Some(outgoing)
    }

    /// Takes the answer to a delivery. An answer for an unknown or already answered token is
    /// ignored.
    pub fn delivery_answered(&mut self, token: u64, answer: Answer, now_ms: i64) {
        self.set_now(now_ms);
        if !self.hooks.in_flight.remove(&token) {
            return;
        }
        let Some(notification) = self.hooks.notifications.get_mut(&token) else { return };
        notification.attempts.push(Attempt { at_ms: now_ms, answer });
        let is_test = notification.test.is_some();
        match class(answer) {
            Class::Success if is_test => self.finish(token, Progress::Succeeded),
            Class::Success => self.succeeded(token),
            _ if is_test => self.finish(token, Progress::Failed),
            Class::Transient if self.plan_quick_retry(token) => {}
            Class::Transient | Class::Enduring => self.handle_lasting_failure(token),
            Class::Terminal => {
                self.finish(token, Progress::Failed);
                self.stop_subscription(token, SubscriptionStatus::DisabledBySystem);
            }
        }
    }

    fn succeeded(&mut self, token: u64) {
        self.finish(token, Progress::Succeeded);
        let Some(notification) = self.hooks.notifications.get_mut(&token) else { return };
        notification.is_on_probation = false;
        if let Some(subscription) = self.hooks.subscriptions.get_mut(&notification.subscription)
            && subscription.status == SubscriptionStatus::OnProbation
        {
            subscription.status = SubscriptionStatus::Enabled;
        }
        if self.random.happens(self.options.duplicate_percent) {
            self.retry(token, 0);
        }
    }

    /// Plans the next quick retry; false when there are no more, or when the subscription or the
    /// notification is on probation.
    fn plan_quick_retry(&mut self, token: u64) -> bool {
        let time_scale = self.options.time_scale;
        let Some(notification) = self.hooks.notifications.get_mut(&token) else { return true };
        let subscription = self.hooks.subscriptions.get(&notification.subscription);
        let enabled = subscription.is_some_and(|one| one.status == SubscriptionStatus::Enabled);
        let wait = wait_ms(&TRANSIENT_WAITS_S, notification.transient_retries, time_scale);
        let Some(wait) = wait.filter(|_| enabled && !notification.is_on_probation) else {
            return false;
        };
        notification.transient_retries += 1;
        self.retry(token, wait);
        true
    }

    pub(super) fn retry(&mut self, token: u64, wait_ms: i64) {
        let due_ms = self.now_ms + wait_ms;
        if let Some(notification) = self.hooks.notifications.get_mut(&token) {
            notification.progress = Progress::Waiting;
            notification.due_ms = due_ms;
            self.hooks.due.insert((due_ms, token));
        }
    }
}
