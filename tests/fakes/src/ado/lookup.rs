//! Finding things in the world.
//!
//! A look-up that returns a reference is for tests, which know what they created: it panics where
//! there is nothing. A look-up that returns an option is for requests.

use crate::ado::model::ref_names::full_name;
use crate::ado::model::{Organization, Posted, Project, PullRequest, Repository};
use crate::ado::security::identity::Identity;
use crate::ado::world::World;

#[expect(clippy::panic, reason = "a mistake in the test, which is reported at once")]
pub(super) fn known<T>(found: Option<T>, what: &str, id: &str) -> T {
    found.unwrap_or_else(|| panic!("the fake has no {what} {id}"))
}

impl World {
    /// The repository of that GUID.
    pub fn repository(&self, id: &str) -> &Repository {
        known(self.repositories.get(id), "repository", id)
    }

    /// All repositories.
    pub fn repositories(&self) -> impl Iterator<Item = &Repository> {
        self.repositories.values()
    }

    pub(crate) fn repository_mut(&mut self, id: &str) -> &mut Repository {
        known(self.repositories.get_mut(id), "repository", id)
    }

    /// The project of that GUID.
    pub fn project(&self, id: &str) -> &Project {
        known(self.projects.iter().find(|project| project.id == id), "project", id)
    }

    /// The organization of that name.
    pub fn organization(&self, name: &str) -> &Organization {
        known(self.organizations.iter().find(|one| one.name == name), "organization", name)
    }

    /// All organizations.
    pub fn organizations(&self) -> impl Iterator<Item = &Organization> {
        self.organizations.iter()
    }

    /// The pull request of that number.
    pub fn pull_request(&self, id: u64) -> &PullRequest {
        known(self.pull_requests.get(&id), "pull request", &id.to_string())
    }

    pub(crate) fn pull_request_mut(&mut self, id: u64) -> &mut PullRequest {
        known(self.pull_requests.get_mut(&id), "pull request", &id.to_string())
    }

    /// All pull requests, oldest first.
    pub fn pull_requests(&self) -> impl DoubleEndedIterator<Item = &PullRequest> {
        self.pull_requests.values()
    }

    /// Every status ever posted, deleted ones included, oldest first.
    pub fn posted(&self) -> &[Posted] {
        &self.posted
    }

    /// The identity of that GUID.
    pub fn identity(&self, id: &str) -> &Identity {
        known(self.identities.get(id), "identity", id)
    }

    /// The repository `project/name` in any organization, compared without case.
    pub fn find_repository(&self, path: &str) -> Option<&Repository> {
        let (project, name) = path.split_once('/')?;
        self.repositories.values().find(|repository| {
            let same_project = self.project(&repository.project).name.eq_ignore_ascii_case(project);
            !repository.is_deleted && same_project && repository.name.eq_ignore_ascii_case(name)
        })
    }

    /// The project of that name in any organization, compared without case.
    pub fn find_project(&self, name: &str) -> Option<&Project> {
        let mut all = self.projects.iter().filter(|project| !project.is_deleted);
        all.find(|project| project.name.eq_ignore_ascii_case(name))
    }

    /// The object id that a ref points at; a branch may be given by its short name.
    pub fn head(&self, repository: &str, name: &str) -> Option<&str> {
        self.repository(repository).refs.get(&full_name(name)).map(String::as_str)
    }

    /// The base URL of an organization.
    pub fn organization_url(&self, name: &str) -> String {
        format!("{}{}", self.base_url, self.organization(name).path)
    }
}
