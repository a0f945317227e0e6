//! Reads the bodies of hook deliveries; no other module knows their JSON.
//!
//! Bodies vary with the event type, the resource version, the settings of the subscription, Azure
//! DevOps Server, and the year. So every field may be absent or of another type; a required field
//! that is missing is named in the reason. URLs in a body are never kept: calling one would let the
//! sender choose where the gateway sends its credentials (docs/azure-devops.md §2.4).

/// Completed builds.
mod build;
/// The bodies of what catch-up found.
pub mod catch_up_payload;
/// Comments on pull requests.
pub(in crate::ado) mod comment;
/// The few fields that accepting needs.
mod envelope;
/// JSON values that may have an unexpected type.
pub(in crate::ado) mod lenient;
/// Pull requests.
mod pull_request;
/// Pushes.
mod push;
/// Bytes to a fact.
mod read;
/// Which repository a delivery is about.
mod repository;
/// Test deliveries.
mod samples;
/// The fields that are read, by their JSON names.
mod wire;

pub use envelope::{Envelope, NotUnderstood, envelope};
pub use read::read;

use crate::domain::event::Repository;
use crate::domain::fact::Fact;
use crate::domain::subscription::Topic;
use crate::domain::time::Timestamp;

/// A delivery, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// As Azure DevOps names it, such as `git.push` (Microsoft Learn: "Service hooks events").
    pub event_type: Option<String>,
    /// Of the subscriptions that deliver this type; none where we subscribe to no such events.
    pub topic: Option<Topic>,
    /// When Azure DevOps created the event; the push or the vote was a little earlier
    /// (docs/azure-devops.md §2.1).
    pub created_at: Option<Timestamp>,
    pub fact: Fact,
    /// The repository that the delivery is about, if it names one, with its present name; for
    /// `git.repo.forked` the new one. None for a test delivery and for a build.
    pub repository: Option<Repository>,
    /// `project/repository` before a rename (docs/azure-devops.md §2.5, `git.repo.renamed`).
    pub former_name: Option<String>,
}

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod property_tests;
