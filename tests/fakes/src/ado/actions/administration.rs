//! Changes by administrators to projects and repositories: rename, disable, delete.
//!
//! A rename changes names, never GUIDs (docs/azure-devops.md §10). What was deleted is in no answer
//! any more. It is kept for the deliveries that were queued before.

use crate::ado::hooks::LossReason;
use crate::ado::model::Project;
use crate::ado::world::World;

impl World {
    /// Renames a project.
    pub fn rename_project(&mut self, id: &str, name: &str) {
        name.clone_into(&mut self.project_mut(id).name);
    }

    /// Renames a repository.
    pub fn rename_repository(&mut self, id: &str, name: &str) {
        name.clone_into(&mut self.repository_mut(id).name);
    }

    /// Disables a repository or enables it again. A disabled one is listed, and its content cannot
    /// be reached.
    pub fn set_disabled(&mut self, repository: &str, is_disabled: bool) {
        self.repository_mut(repository).is_disabled = is_disabled;
    }

    /// Sets the default branch.
    pub fn set_default_branch(&mut self, repository: &str, branch: &str) {
        let name = format!("refs/heads/{branch}");
        let known = self.repository_mut(repository);
        assert!(known.refs.contains_key(&name), "there is no branch {branch}");
        known.default_branch = Some(name);
    }

    /// Deletes a repository. Subscriptions to it stay and get no further events.
    pub fn delete_repository(&mut self, id: &str) {
        self.repository_mut(id).is_deleted = true;
        let gone = |one: &str| one.eq_ignore_ascii_case(id);
        let filtered = self.hooks.subscriptions.values();
        let ids: Vec<_> = filtered
            .filter(|one| one.filter("repository").is_some_and(gone))
            .map(|one| one.id.clone())
            .collect();
        for id in ids {
            self.drop_queued(&id, None, LossReason::NotPermitted);
        }
    }

    /// Deletes a project with its repositories, its policies and the subscriptions to it.
    pub fn delete_project(&mut self, id: &str) {
        self.project_mut(id).is_deleted = true;
        let all = self.repositories.values().filter(|one| one.project == id);
        let repositories: Vec<_> = all.map(|one| one.id.clone()).collect();
        for repository in repositories {
            self.delete_repository(&repository);
        }
        self.policies.retain(|_, policy| policy.project != id);
        let subscriptions = self.hooks.subscriptions.values();
        let own = |one: &&crate::ado::hooks::Subscription| {
            one.filter("projectId").is_some_and(|project| project.eq_ignore_ascii_case(id))
        };
        let subscriptions: Vec<_> = subscriptions.filter(own).map(|one| one.id.clone()).collect();
        for subscription in subscriptions {
            self.remove_subscription(&subscription);
        }
    }

    fn project_mut(&mut self, id: &str) -> &mut Project {
        let found = self.projects.iter_mut().find(|project| project.id == id);
        crate::ado::lookup::known(found, "project", id)
    }
}
