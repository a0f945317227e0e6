//! The service-hook subscriptions that the checks need, those that there are, and what to do about
//! the difference.
//!
//! Pure comparison: whoever asks Azure DevOps brings what was found, and carries the plan out step
//! by step. It must never know what Azure DevOps calls its fields.

mod name;
mod plan;
mod wanted;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use name::HookName;
pub use plan::{Act, Change, Kind, Known, OwnedHook, Step, differences, farewell, plan};
pub use wanted::{Watched, wanted};

use super::time::Timestamp;

/// What a subscription tells us about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Branches and tags.
    Pushes,
    PullRequestsCreated,
    /// Everything that happens to a pull request later: pushes, votes, drafts, its end.
    PullRequestsUpdated,
    Comments,
}

impl Topic {
    /// Every topic that we ever subscribe to.
    pub const ALL: [Topic; 4] =
        [Topic::Pushes, Topic::PullRequestsCreated, Topic::PullRequestsUpdated, Topic::Comments];

    /// The name in hooks, answers and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Topic::Pushes => "pushes",
            Topic::PullRequestsCreated => "created",
            Topic::PullRequestsUpdated => "updated",
            Topic::Comments => "comments",
        }
    }

    /// The topic of that name.
    pub fn parse(text: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| topic.as_str() == text)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Where a subscription belongs: there is to be one for each project and topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HookScope {
    /// GUID, lower case.
    pub project_id: String,
    pub topic: Topic,
}

/// What is set in a subscription, by the names of Azure DevOps: only what we set ourselves is ever
/// compared, and a value that is not there is empty. A secret is only there or not.
pub type Settings = BTreeMap<String, String>;

/// A subscription that there is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub hook_scope: HookScope,
    /// For people.
    pub project: String,
    /// The last part of its URL; it changes with its secret.
    pub hook: String,
    pub settings: Settings,
    /// Names of the checks that need it.
    pub checks: Vec<String>,
}

/// Whether a subscription delivers. Microsoft Learn: "Troubleshoot service hooks".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Enabled,
    /// One failed delivery is repeated, every new event is lost.
    OnProbation,
    /// A person switched it off.
    DisabledByUser,
    /// Azure DevOps gave up on it.
    DisabledBySystem,
    /// Whoever created it has left or may not read any more.
    DisabledByInactiveIdentity,
    /// Of a kind that this version does not know.
    Unknown,
}

impl State {
    /// The name in answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Enabled => "enabled",
            State::OnProbation => "on_probation",
            State::DisabledByUser => "disabled_by_user",
            State::DisabledBySystem => "disabled_by_system",
            State::DisabledByInactiveIdentity => "disabled_by_inactive_identity",
            State::Unknown => "unknown",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A subscription that Azure DevOps has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// GUID, lower case.
    pub id: String,
    pub topic: Topic,
    /// GUID, lower case; none where it is about the whole organization.
    pub project_id: Option<String>,
    /// Where it delivers to.
    pub url: String,
    pub state: State,
    pub settings: Settings,
    pub created_at: Option<Timestamp>,
    /// Display name of whoever created it.
    pub created_by: String,
}
