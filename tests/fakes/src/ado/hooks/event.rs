//! Events, and their names.
//!
//! An event has only references to what it is about: the resource is rendered when it is delivered,
//! not when the event happened (docs/azure-devops.md §2.3).

/// The kinds of events that the fake fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// `git.push`
    Push,
    /// `git.pullrequest.created`
    Created,
    /// `git.pullrequest.updated`
    Updated,
    /// `git.pullrequest.merged`: a merge was attempted. It does not mean that the pull request was
    /// completed.
    Merged,
    /// `ms.vss-code.git-pullrequest-comment-event`
    Comment,
    /// `build.complete`
    BuildComplete,
}

impl EventKind {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Push => "git.push",
            Self::Created => "git.pullrequest.created",
            Self::Updated => "git.pullrequest.updated",
            Self::Merged => "git.pullrequest.merged",
            Self::Comment => "ms.vss-code.git-pullrequest-comment-event",
            Self::BuildComplete => "build.complete",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let git = [Self::Push, Self::Created, Self::Updated, Self::Merged, Self::Comment];
        let mut all = git.into_iter().chain([Self::BuildComplete]);
        all.find(|kind| kind.name() == name)
    }

    /// The newest version of its resource (docs/azure-devops.md §1.2).
    pub fn newest_version(self) -> &'static str {
        match self {
            Self::Comment | Self::BuildComplete => "2.0",
            _ => "1.0",
        }
    }

    /// The filters that a subscription may have (docs/azure-devops.md §2.2).
    pub fn filters(self) -> &'static [&'static str] {
        const CREATED: &str = "pullrequestCreatedBy";
        const REVIEWERS: &str = "pullrequestReviewersContains";
        match self {
            Self::Push => &["repository", "branch", "pushedBy"],
            Self::Created => &["repository", "branch", CREATED, REVIEWERS],
            Self::Updated => &["repository", "branch", CREATED, REVIEWERS, "notificationType"],
            Self::Merged => &["repository", "branch", CREATED, REVIEWERS, "mergeResult"],
            Self::Comment => &["repository", "branch"],
            Self::BuildComplete => &["definitionName", "buildStatus"],
        }
    }
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventSubject {
    /// The push of that number.
    Push(u64),
    /// The pull request of that number.
    PullRequest(u64),
    /// A comment.
    Comment {
        /// Number of the pull request.
        pull_request: u64,
        /// Number of the thread in the pull request.
        thread: u64,
        /// Number of the comment in the thread.
        comment: u64,
    },
    /// The build of that number.
    Build(u64),
    /// The invented content of a test notification.
    Sample,
}

/// An event.
#[derive(Debug, Clone)]
pub struct Event {
    /// GUID, which is the same in the deliveries to all subscriptions.
    pub id: String,
    /// Its kind.
    pub kind: EventKind,
    /// Name of the organization.
    pub organization: String,
    /// GUID of the project.
    pub project: String,
    /// GUID of the repository; for a build, of that which has the pipeline.
    pub repository: String,
    /// What it is about.
    pub subject: EventSubject,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The text for people.
    pub text: String,
    /// Short names of the branches that a filter may name.
    pub branches: Vec<String>,
    /// The filter value of an update; none when only subscriptions without a filter get it.
    pub notification_type: Option<&'static str>,
    /// The filter value of a merge attempt.
    pub merge_result: Option<&'static str>,
    /// The filter value of a completed build: the name of its pipeline.
    pub definition_name: Option<String>,
    /// The other filter value of a completed build.
    pub build_status: Option<&'static str>,
    /// GUID of the identity that pushed, opened the pull request, or started the build.
    pub created_by: String,
}
