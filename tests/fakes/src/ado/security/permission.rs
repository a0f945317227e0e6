//! Permissions, and the resources that they are about (docs/azure-devops.md §7).
//!
//! Plain values. Which permissions an identity has is decided in `access_control`.

/// Git repositories.
pub(super) const GIT: &str = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87";
/// Service hooks.
pub(super) const HOOKS: &str = "cb594ebe-87dd-4fc9-ac2c-6a10a4c92046";
/// Projects.
pub(super) const PROJECT: &str = "52d39943-cb85-4d7f-8fa8-c6baac873819";
/// Builds.
pub(super) const BUILD: &str = "33344d9c-fc72-4d6f-aba5-fa317101a7e9";

/// A permission that can be denied to an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Git: read.
    GenericRead,
    /// Git: write; also posts commit statuses.
    GenericContribute,
    /// Git: contribute to pull requests; also posts their statuses.
    PullRequestContribute,
    /// Git: change branch policies.
    EditPolicies,
    /// Git: change permissions. The fake requires it for changes in every namespace.
    ManagePermissions,
    /// Service hooks: see subscriptions.
    ViewSubscriptions,
    /// Service hooks: create, change and delete subscriptions.
    EditSubscriptions,
    /// Service hooks: a bit that ADO shows and no longer uses.
    DeleteSubscriptions,
    /// Project: see it.
    ReadProject,
    /// Builds: see them.
    ViewBuilds,
    /// Builds: change their quality and their tags.
    EditBuildQuality,
    /// Builds: queue.
    QueueBuilds,
    /// Builds: stop.
    StopBuilds,
}

impl Permission {
    /// The security namespace and the bit in it.
    pub fn bit(self) -> (&'static str, u32) {
        match self {
            Self::GenericRead => (GIT, 2),
            Self::GenericContribute => (GIT, 4),
            Self::PullRequestContribute => (GIT, 16384),
            Self::EditPolicies => (GIT, 2048),
            Self::ManagePermissions => (GIT, 8192),
            Self::ViewSubscriptions => (HOOKS, 1),
            Self::EditSubscriptions => (HOOKS, 2),
            Self::DeleteSubscriptions => (HOOKS, 4),
            Self::ReadProject => (PROJECT, 1),
            Self::ViewBuilds => (BUILD, 1),
            Self::EditBuildQuality => (BUILD, 2),
            Self::QueueBuilds => (BUILD, 128),
            Self::StopBuilds => (BUILD, 512),
        }
    }

    /// Every permission that the fake knows.
    pub const ALL: [Self; 13] = [
        Self::GenericRead,
        Self::GenericContribute,
        Self::PullRequestContribute,
        Self::EditPolicies,
        Self::ManagePermissions,
        Self::ViewSubscriptions,
        Self::EditSubscriptions,
        Self::DeleteSubscriptions,
        Self::ReadProject,
        Self::ViewBuilds,
        Self::EditBuildQuality,
        Self::QueueBuilds,
        Self::StopBuilds,
    ];
}

/// What a permission is about: the organization, a project, a repository, or a pipeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) project: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) pipeline: Option<u64>,
}

impl Resource {
    pub(crate) fn of_project(project: &str) -> Self {
        Self { project: Some(project.to_owned()), ..Self::default() }
    }

    pub(crate) fn of_pipeline(project: &str, pipeline: u64) -> Self {
        Self { pipeline: Some(pipeline), ..Self::of_project(project) }
    }

    /// Whether the other resource lies within this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let project = self.project.is_none() || self.project == other.project;
        project
            && (self.repository.is_none() || self.repository == other.repository)
            && (self.pipeline.is_none() || self.pipeline == other.pipeline)
    }
}

/// A permission that is denied or granted for a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PermissionRule {
    pub(crate) identity: String,
    pub(crate) permission: Permission,
    pub(crate) resource: Resource,
}

/// Whether there is a security namespace of that id.
pub(crate) fn is_namespace(id: &str) -> bool {
    [GIT, HOOKS, PROJECT, BUILD].contains(&id)
}
