//! The only place that knows what a delivery of Azure DevOps looks like.
//!
//! The shapes vary: with the event type, the resource version, the settings of the subscription,
//! Azure DevOps Server, and the year. So every field may be absent or of another type, and what
//! cannot be done without is named when it lacks. It must never know checks or the store, and it
//! never keeps a URL: what a payload points at is nothing to be called (docs/azure-devops.md §2.4).

/// The bodies of what catch-up found.
pub mod catch_up_payload;
/// What the accept path needs, and no more.
mod envelope;
/// Values of whatever type they came in.
mod lenient;
/// Pull requests.
mod pull_request;
/// Pushes.
mod push;
/// From bytes to a fact.
mod read;
/// Which repository a delivery is about.
mod repository;
/// Deliveries that Azure DevOps made up.
mod samples;
/// The fields that we read, by their names on the wire.
mod wire;

pub use envelope::{Envelope, NotUnderstood, envelope};
pub use read::read;

use crate::domain::event::Repository;
use crate::domain::fact::{CatchUpMeta, Fact};
use crate::domain::time::Timestamp;

/// A delivery, understood as far as it can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// As Azure DevOps names it, such as `git.push` (Microsoft Learn: "Service hooks events").
    pub event_type: Option<String>,
    /// When Azure DevOps made the event; the push or the vote was a little earlier
    /// (docs/azure-devops.md §2.1).
    pub created_at: Option<Timestamp>,
    pub fact: Fact,
    /// The repository that it is about, where it says so, with its name as of now; for a fork the
    /// new one. Never that of a test delivery.
    pub repository: Option<Repository>,
    /// `project/repository` before a rename (docs/azure-devops.md §2.5, `git.repo.renamed`).
    pub former_name: Option<String>,
    /// What catch-up wrote beside it. Whoever reads a hook's delivery must not believe it.
    pub catch_up_meta: CatchUpMeta,
}

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod property_tests;
