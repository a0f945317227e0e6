//! What a subscription covers: a topic of a project.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The events that a subscription delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Of branches and tags.
    Pushes,
    PullRequestsCreated,
    /// Everything that happens to a pull request later: pushes, votes, drafts, its end.
    PullRequestsUpdated,
    Comments,
    /// In Azure Pipelines; whatever became of them.
    BuildsCompleted,
}

impl Topic {
    /// Every topic that we ever subscribe to.
    pub const ALL: [Topic; 5] = [
        Topic::Pushes,
        Topic::PullRequestsCreated,
        Topic::PullRequestsUpdated,
        Topic::Comments,
        Topic::BuildsCompleted,
    ];

    /// The name in hooks, answers and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Topic::Pushes => "pushes",
            Topic::PullRequestsCreated => "created",
            Topic::PullRequestsUpdated => "updated",
            Topic::Comments => "comments",
            Topic::BuildsCompleted => "builds",
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

/// See the module. At most one subscription is desired for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HookScope {
    /// GUID, lower case.
    pub project_id: String,
    pub topic: Topic,
}
