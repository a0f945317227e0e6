//! Service hooks: who subscribed to what, what happened, and how it is delivered.
//!
//! ADO promises neither order nor exactly-once nor timely delivery, and the gateway must cope with
//! that, so the fake can deliver late, out of order, twice and not at all. Sending is left to the
//! shell.

/// Events on their way to the subscriptions to them.
mod announcement;
/// How ADO classifies an answer, and how long it waits before a retry.
pub mod classification;
/// The queue of notifications: attempts and quick retries.
pub mod delivery;
/// Events, and their names.
pub mod event;
/// The notification history over REST.
mod history;
/// One event on its way to one subscription.
pub mod notification;
/// The body of a delivery.
mod payload;
/// Changes to subscriptions by people in the portal.
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

/// The state of hooks.
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
