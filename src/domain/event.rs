//! Events: what happened in a repository, independent of the names that Azure DevOps uses.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A repository: ids, which survive renames, and names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// GUID, lower case.
    pub id: String,
    pub name: String,
    /// GUID, lower case.
    pub project_id: String,
    pub project: String,
}

impl Repository {
    /// Whether these are its project and itself, each by its GUID or its name.
    pub fn is_called(&self, project: &str, repository: &str) -> bool {
        let is = |names: [&String; 2], name: &str| {
            names.into_iter().any(|one| one.to_lowercase() == name.to_lowercase())
        };
        is([&self.project_id, &self.project], project) && is([&self.id, &self.name], repository)
    }

    /// Its project: the GUID, or the name while that is not known.
    pub fn project_key(&self) -> &str {
        if self.project_id.is_empty() { &self.project } else { &self.project_id }
    }

    /// Whether an address with these means it: its own GUID is enough while that of its project is
    /// not known.
    pub fn is_meant_by(&self, project: &str, repository: &str) -> bool {
        let is_alone = self.project_id.is_empty() && self.id.eq_ignore_ascii_case(repository);
        is_alone || self.is_called(project, repository)
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What happened, found by comparing a delivery with the stored state.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Event { $($(#[$doc])* $name,)* }

        impl Event {
            /// Every one.
            pub const ALL: &'static [Event] = &[$(Event::$name,)*];

            /// The name in answers and logs.
            pub fn as_str(self) -> &'static str {
                match self { $(Event::$name => $text,)* }
            }

            /// The event of that name.
            pub fn parse(text: &str) -> Option<Event> {
                Self::ALL.iter().copied().find(|event| event.as_str() == text)
            }
        }
    };
}

events! {
    PullRequestOpened = "pull_request_opened",
    /// The source branch has a new head.
    PullRequestPushed = "pull_request_pushed",
    /// The target branch changed.
    PullRequestRetargeted = "pull_request_retargeted",
    PullRequestDrafted = "pull_request_drafted",
    PullRequestPublished = "pull_request_published",
    PullRequestAbandoned = "pull_request_abandoned",
    PullRequestReactivated = "pull_request_reactivated",
    PullRequestCompleted = "pull_request_completed",
    /// Title, description or labels.
    PullRequestEdited = "pull_request_edited",
    /// Reviewers or their votes.
    PullRequestVoted = "pull_request_voted",
    PullRequestMergeAttempted = "pull_request_merge_attempted",
    PullRequestCommented = "pull_request_commented",
    /// A repeat, or a change of nothing that is followed.
    PullRequestUnchanged = "pull_request_unchanged",
    BranchCreated = "branch_created",
    BranchPushed = "branch_pushed",
    BranchDeleted = "branch_deleted",
    TagCreated = "tag_created",
    TagMoved = "tag_moved",
    TagDeleted = "tag_deleted",
    OtherRefUpdated = "other_ref_updated",
    BuildCompleted = "build_completed",
    PipelineRunChanged = "pipeline_run_changed",
    RepositoryCreated = "repository_created",
    RepositoryRenamed = "repository_renamed",
    RepositoryDeleted = "repository_deleted",
    RepositoryForked = "repository_forked",
    RepositoryStatusChanged = "repository_status_changed",
    TestDelivery = "test",
    Unknown = "unknown",
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The first eight characters of a commit id.
pub fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}
