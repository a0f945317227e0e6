//! Service hooks: who subscribed to what, what happened, and how it is delivered.
//!
//! The promises that ADO does not make (order, once, in time) are the point of this part; a fake
//! that delivers nicely would hide the gateway's hardest work. Nothing here sends anything.

/// Events on their way to the subscriptions to them.
mod announcement;
/// How an answer is classified, and how long ADO waits.
pub mod classification;
/// The queue of notifications: attempts and quick retries.
pub mod delivery;
/// What happened, and what it is called.
pub mod event;
/// The notification history over REST.
mod history;
/// One event on its way to one subscription.
pub mod notification;
/// The body of a delivery.
mod payload;
/// What people do to subscriptions in the portal.
mod portal;
/// What lasting failures do to a subscription.
mod probation;
/// Looking for subscriptions over REST.
mod query;
/// Subscriptions over REST.
mod rest;
/// The body of a test delivery.
mod sample;
/// Subscriptions, and which events they are for.
pub mod subscription;
/// Test notifications over REST.
mod testing;
/// Whether a subscription may be created as asked.
mod validation;

use std::collections::{BTreeMap, BTreeSet};

pub use notification::{Attempt, LossReason, LostEvent, Notification, Progress};
pub use subscription::Subscription;

/// Everything about hooks that the world remembers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    pub(crate) notifications: BTreeMap<u64, Notification>,
    pub(crate) due: BTreeSet<(i64, u64)>,
    pub(crate) in_flight: BTreeSet<u64>,
    pub(crate) lost: Vec<LostEvent>,
    pub(crate) last_token: u64,
    pub(crate) last_test_number: u64,
    pub(crate) unfiltered_lookups: u64,
}
