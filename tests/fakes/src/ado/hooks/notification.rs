//! Notifications: each is one event for one subscription.
//!
//! Plain values. How they progress is decided in `delivery` and `probation`.

pub use super::classification::Answer;
use super::event::Event;
use super::subscription::Inputs;

/// The GUID in deliveries of unsaved subscriptions.
pub const NO_SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";

/// One delivery for the shell to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Identifies the delivery for `delivery_answered`.
    pub token: u64,
    /// GUID of the subscription; zeros for an unsaved test.
    pub subscription: String,
    /// Number of the notification in its subscription.
    pub notification: u64,
    /// The URL of the receiver.
    pub url: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The JSON body.
    pub body: Vec<u8>,
    /// Which attempt this is, from one.
    pub attempt: u32,
}

/// What a test notification is delivered with: the inputs of the request, instead of those of its
/// subscription, and the version of the resource.
#[derive(Debug, Clone)]
pub(crate) struct TestDetails {
    pub(crate) inputs: Inputs,
    pub(crate) resource_version: String,
}

/// The progress of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It waits for its first attempt or for a retry.
    Waiting,
    /// It is being delivered.
    InFlight,
    /// It was delivered.
    Succeeded,
    /// ADO gave up.
    Failed,
}

/// One attempt that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// When the answer came, in milliseconds since 1970.
    pub at_ms: i64,
    /// The outcome.
    pub answer: Answer,
}

/// One event for one subscription.
#[derive(Debug, Clone)]
pub struct Notification {
    /// Number in its subscription, from one.
    pub number: u64,
    /// GUID of its subscription.
    pub subscription: String,
    /// The event.
    pub event: Event,
    /// Its progress.
    pub progress: Progress,
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// The headers and body last sent, with the credential masked.
    pub request: String,
    /// When it was queued.
    pub created_ms: i64,
    /// When it was delivered or ADO gave up.
    pub completed_ms: Option<i64>,
    pub(crate) due_ms: i64,
    pub(crate) transient_retries: u32,
    pub(crate) probation_retries: u32,
    pub(crate) is_on_probation: bool,
    pub(crate) test: Option<TestDetails>,
}

/// Why a subscription loses an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossReason {
    /// The subscription was on probation.
    OnProbation,
    /// The subscription was disabled.
    Disabled,
    /// Its owner may not read the repository, or not see the build.
    NotPermitted,
}

/// An event that a subscription never gets.
#[derive(Debug, Clone)]
pub struct LostEvent {
    /// GUID of the subscription.
    pub subscription: String,
    /// The event.
    pub event: Event,
    /// The reason.
    pub why: LossReason,
}
