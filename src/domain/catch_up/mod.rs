//! Missed events: the difference between what is known of a repository and what is there.
//!
//! Each difference gets the time at which it happened, as far as Azure DevOps tells. The decision
//! needs it to recognize what is past or stale.

mod comments;
mod criteria;
mod pull_requests;
mod pushes;
mod refs;
mod schedule;

pub use comments::{is_missed_command, lists_comments_of};
pub use criteria::Criteria;
pub use pull_requests::{Missed, SeenPullRequest, Urgency, missed, wants_labels};
pub use pushes::Pushes;
pub use refs::{FoundPush, FoundRefs, Heads, differs, missed_refs};
pub use schedule::next_scan_at;

#[cfg(test)]
mod tests;
