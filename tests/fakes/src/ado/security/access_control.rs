//! What an identity may do, and where (docs/azure-devops.md §7).
//!
//! An identity has every permission that was not denied to it. A permission that was denied
//! everywhere can be granted for one resource.

use super::permission::{BUILD, GIT, HOOKS, PROJECT, Permission, PermissionRule, Resource};
use crate::ado::world::World;

impl World {
    /// Denies a permission to an identity, in one repository or everywhere.
    pub fn deny(&mut self, identity: &str, permission: Permission, repository: Option<&str>) {
        let resource = self.repository_resource(repository);
        self.deny_at(identity, permission, resource);
    }

    /// Denies a permission to an identity in one project.
    pub fn deny_in_project(&mut self, identity: &str, permission: Permission, project: &str) {
        self.deny_at(identity, permission, Resource::of_project(project));
    }

    /// Hides a project from an identity: for that identity nothing in the project exists.
    pub fn hide_project(&mut self, identity: &str, project: &str) {
        self.deny_in_project(identity, Permission::ReadProject, project);
    }

    /// Removes all denials of a permission to an identity.
    pub fn allow(&mut self, identity: &str, permission: Permission) {
        self.denials.retain(|one| one.identity != identity || one.permission != permission);
    }

    /// Whether an identity has a permission, in one repository or everywhere.
    pub fn may(&self, identity: &str, permission: Permission, repository: Option<&str>) -> bool {
        self.may_at(identity, permission, &self.repository_resource(repository))
    }

    /// Whether an identity has a permission in a project.
    pub fn may_in_project(&self, identity: &str, permission: Permission, project: &str) -> bool {
        self.may_at(identity, permission, &Resource::of_project(project))
    }

    pub(crate) fn may_at(
        &self,
        identity: &str,
        permission: Permission,
        resource: &Resource,
    ) -> bool {
        let has = |permission| {
            let about = |one: &&PermissionRule| {
                one.identity == identity
                    && one.permission == permission
                    && one.resource.covers(resource)
            };
            self.grants.iter().any(|one| about(&one)) || !self.denials.iter().any(|one| about(&one))
        };
        has(permission) && has(Permission::ReadProject)
    }

    /// Whether an identity has a permission for at least one resource.
    pub(crate) fn may_somewhere(&self, identity: &str, permission: Permission) -> bool {
        let about = |one: &PermissionRule| one.identity == identity && one.permission == permission;
        self.may(identity, permission, None) || self.grants.iter().any(about)
    }

    fn repository_resource(&self, repository: Option<&str>) -> Resource {
        let project = repository.and_then(|id| self.repositories.get(id));
        let project = project.map(|one| one.project.clone());
        Resource { project, repository: repository.map(str::to_owned), pipeline: None }
    }

    pub(crate) fn deny_at(&mut self, identity: &str, permission: Permission, resource: Resource) {
        let identity = identity.to_owned();
        let rule = PermissionRule { identity, permission, resource };
        self.grants.retain(|one| {
            one.identity != rule.identity
                || one.permission != permission
                || !rule.resource.covers(&one.resource)
        });
        self.denials.push(rule);
    }

    pub(crate) fn grant_at(&mut self, identity: &str, permission: Permission, resource: Resource) {
        let identity = identity.to_owned();
        self.grants.push(PermissionRule { identity, permission, resource });
    }

    /// The resource that a security token names in a namespace; none when there is no such
    /// resource.
    pub(crate) fn resource_of_token(
        &self,
        organization: &str,
        namespace: &str,
        token: &str,
    ) -> Option<Resource> {
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
            // Only these two namespaces have a token for the whole organization.
            return matches!(namespace, GIT | HOOKS).then(Resource::default);
        };
        let project = self.projects.iter().find(|one| one.id == project && !one.is_deleted)?;
        if project.organization != organization {
            return None;
        }
        // Folders may stand before the number of a pipeline.
        if namespace == BUILD
            && let Some(number) = parts.clone().next_back()
        {
            let found = self.pipelines.get(&number.parse().ok()?)?;
            let is_here = self.repository(&found.repository).project == project.id;
            return is_here.then(|| Resource::of_pipeline(&project.id, found.id));
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
        Some(Resource { repository, ..Resource::of_project(&project.id) })
    }

    /// Whether an identity has all these bits. A bit or a resource that the fake does not know
    /// counts as denied.
    pub(crate) fn has_bits(
        &self,
        organization: &str,
        identity: &str,
        namespace: &str,
        bits: u32,
        token: &str,
    ) -> bool {
        let Some(resource) = self.resource_of_token(organization, namespace, token) else {
            return false;
        };
        self.bits_at(identity, namespace, &resource) & bits == bits
    }

    /// The bits that an identity has for a resource.
    pub(crate) fn bits_at(&self, identity: &str, namespace: &str, resource: &Resource) -> u32 {
        let known = Permission::ALL.into_iter().filter(|one| one.bit().0 == namespace);
        let held = known.filter(|one| self.may_at(identity, *one, resource));
        held.fold(0, |bits, one| bits | one.bit().1)
    }
}
