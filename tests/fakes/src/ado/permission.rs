//! Permissions: what an identity may do, and where (docs/azure-devops.md §7).
//!
//! Everybody has what was not taken. What was taken everywhere may be given back in one place.
//! Nothing here knows tokens of access, only the tokens by which ADO names places.

use super::world::World;

/// Git repositories.
const GIT: &str = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87";
/// Service hooks.
const HOOKS: &str = "cb594ebe-87dd-4fc9-ac2c-6a10a4c92046";
/// Projects.
const PROJECT: &str = "52d39943-cb85-4d7f-8fa8-c6baac873819";
/// Builds.
const BUILD: &str = "33344d9c-fc72-4d6f-aba5-fa317101a7e9";

/// A permission that can be taken from an identity.
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
    /// Git: change permissions; the fake asks for it in every namespace.
    ManagePermissions,
    /// Service hooks: see subscriptions.
    ViewSubscriptions,
    /// Service hooks: create, change and delete subscriptions.
    EditSubscriptions,
    /// Service hooks: a bit that is shown and no longer used.
    DeleteSubscriptions,
    /// Project: see it at all.
    ReadProject,
    /// Builds: see them.
    ViewBuilds,
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
            Self::QueueBuilds => (BUILD, 128),
            Self::StopBuilds => (BUILD, 512),
        }
    }

    /// Every permission that the fake knows.
    pub const ALL: [Self; 12] = [
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
        Self::QueueBuilds,
        Self::StopBuilds,
    ];
}

/// Where a permission counts: everywhere, in a project, or in a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) project: Option<String>,
    pub(crate) repository: Option<String>,
}

impl Place {
    pub(crate) fn of_project(project: &str) -> Self {
        Self { project: Some(project.to_owned()), repository: None }
    }

    /// Whether the other place lies within this one.
    fn covers(&self, other: &Self) -> bool {
        let project = self.project.is_none() || self.project == other.project;
        project && (self.repository.is_none() || self.repository == other.repository)
    }
}

/// A permission taken away, or given back, in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) identity: String,
    pub(crate) permission: Permission,
    pub(crate) place: Place,
}

impl World {
    /// Takes a permission from an identity, in one repository or everywhere.
    pub fn deny(&mut self, identity: &str, permission: Permission, repository: Option<&str>) {
        let place = self.place_of_repository(repository);
        self.deny_at(identity, permission, place);
    }

    /// Takes a permission from an identity in one project.
    pub fn deny_in_project(&mut self, identity: &str, permission: Permission, project: &str) {
        self.deny_at(identity, permission, Place::of_project(project));
    }

    /// Hides a project from an identity: for it, nothing in there exists.
    pub fn hide_project(&mut self, identity: &str, project: &str) {
        self.deny_in_project(identity, Permission::ReadProject, project);
    }

    /// Gives a permission back, everywhere.
    pub fn allow(&mut self, identity: &str, permission: Permission) {
        self.denials.retain(|one| one.identity != identity || one.permission != permission);
    }

    /// Whether an identity has a permission there; everybody has what was not taken.
    pub fn may(&self, identity: &str, permission: Permission, repository: Option<&str>) -> bool {
        self.may_at(identity, permission, &self.place_of_repository(repository))
    }

    /// Whether an identity has a permission in a project.
    pub fn may_in_project(&self, identity: &str, permission: Permission, project: &str) -> bool {
        self.may_at(identity, permission, &Place::of_project(project))
    }

    pub(crate) fn may_at(&self, identity: &str, permission: Permission, at: &Place) -> bool {
        let has = |permission| {
            let about = |one: &&Rule| {
                one.identity == identity && one.permission == permission && one.place.covers(at)
            };
            self.grants.iter().any(|one| about(&one)) || !self.denials.iter().any(|one| about(&one))
        };
        has(permission) && has(Permission::ReadProject)
    }

    /// Whether an identity has a permission anywhere at all.
    pub(crate) fn may_somewhere(&self, identity: &str, permission: Permission) -> bool {
        let about = |one: &Rule| one.identity == identity && one.permission == permission;
        self.may(identity, permission, None) || self.grants.iter().any(about)
    }

    fn place_of_repository(&self, repository: Option<&str>) -> Place {
        let project = repository.and_then(|id| self.repositories.get(id));
        let project = project.map(|one| one.project.clone());
        Place { project, repository: repository.map(str::to_owned) }
    }

    pub(crate) fn deny_at(&mut self, identity: &str, permission: Permission, place: Place) {
        let identity = identity.to_owned();
        let rule = Rule { identity, permission, place };
        self.grants.retain(|one| {
            one.identity != rule.identity
                || one.permission != permission
                || !rule.place.covers(&one.place)
        });
        self.denials.push(rule);
    }

    pub(crate) fn grant_at(&mut self, identity: &str, permission: Permission, place: Place) {
        let identity = identity.to_owned();
        self.grants.push(Rule { identity, permission, place });
    }

    /// The place that a security token names in a namespace; none when it names none.
    pub(crate) fn place_named(
        &self,
        organization: &str,
        namespace: &str,
        token: &str,
    ) -> Option<Place> {
        let token = token.to_ascii_lowercase();
        let token = token.trim_end_matches('/');
        let inside = match namespace {
            GIT => token.strip_prefix("repov2")?,
            HOOKS => token.strip_prefix("publishersecurity")?,
            PROJECT => token.strip_prefix("$project:vstfs:///classification/teamproject")?,
            BUILD => token,
            _ => return None,
        };
        let mut parts = inside.trim_start_matches('/').split('/').filter(|part| !part.is_empty());
        let Some(project) = parts.next() else {
            // Only these two have a token for the whole organization.
            return matches!(namespace, GIT | HOOKS).then(Place::default);
        };
        let project = self.projects.iter().find(|one| one.id == project && !one.is_deleted)?;
        if project.organization != organization {
            return None;
        }
        let repository = parts.next().filter(|_| namespace == GIT).map(str::to_owned);
        let is_there = |id: &String| {
            self.repositories
                .get(id)
                .is_some_and(|one| one.project == project.id && !one.is_deleted)
        };
        if repository.as_ref().is_some_and(|id| !is_there(id)) {
            return None;
        }
        Some(Place { project: Some(project.id.clone()), repository })
    }

    /// Whether an identity has all these bits; a bit or a place that the fake does not know counts
    /// as not granted.
    pub(crate) fn has_bits(
        &self,
        organization: &str,
        identity: &str,
        namespace: &str,
        bits: u32,
        token: &str,
    ) -> bool {
        let Some(place) = self.place_named(organization, namespace, token) else { return false };
        self.bits_at(identity, namespace, &place) & bits == bits
    }

    /// The bits that an identity has in a place.
    pub(crate) fn bits_at(&self, identity: &str, namespace: &str, place: &Place) -> u32 {
        let known = Permission::ALL.into_iter().filter(|one| one.bit().0 == namespace);
        let held = known.filter(|one| self.may_at(identity, *one, place));
        held.fold(0, |bits, one| bits | one.bit().1)
    }
}

/// Whether there is a security namespace of that id.
pub(crate) fn is_namespace(id: &str) -> bool {
    [GIT, HOOKS, PROJECT, BUILD].contains(&id)
}
