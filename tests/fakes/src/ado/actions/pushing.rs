//! Changes by people to branches and tags.
//!
//! Each change is a push: it moves refs, causes an event, and gives the pull requests of the branch
//! a new iteration and a new merge attempt. Branches may be given by their short names.

use crate::ado::actions::merging::descends;
use crate::ado::hooks::event::{EventKind, EventSubject};
use crate::ado::model::ref_names::NO_OBJECT;
use crate::ado::model::ref_names::full_name;
use crate::ado::model::ref_names::{is_no_object, short_name};
use crate::ado::model::{Commit, PullRequestState, Push, RefUpdate};
use crate::ado::world::World;

impl World {
    /// Pushes one commit to a branch, which is created if there is none; returns its object id.
    pub fn push(&mut self, repository: &str, branch: &str, comment: &str) -> String {
        self.push_files(repository, branch, comment, &["/README.md"])
    }

    /// Pushes one commit that changes these files.
    pub fn push_files(
        &mut self,
        repository: &str,
        branch: &str,
        comment: &str,
        paths: &[&str],
    ) -> String {
        let parent = self.parent_for(repository, branch);
        let sha = self.add_commit(repository, parent, comment, paths);
        let update = self.update_to(repository, branch, &sha);
        self.push_updates(repository, vec![update], vec![sha.clone()]);
        sha
    }

    /// Pushes one commit that renames a file.
    pub fn push_rename(
        &mut self,
        repository: &str,
        branch: &str,
        (old, new): (&str, &str),
    ) -> String {
        let parent = self.parent_for(repository, branch);
        let sha = self.add_commit(repository, parent, "Rename a file", &[]);
        if let Some(commit) = self.repository_mut(repository).commits.get_mut(&sha) {
            commit.renames.push((old.to_owned(), new.to_owned()));
        }
        let update = self.update_to(repository, branch, &sha);
        self.push_updates(repository, vec![update], vec![sha.clone()]);
        sha
    }

    /// Pushes one commit whose object id is that of a commit in a real repository.
    pub fn push_object(&mut self, repository: &str, branch: &str, comment: &str, sha: &str) {
        let parent = self.parent_for(repository, branch);
        self.add_object(repository, sha.to_owned(), parent, comment, &["/README.md"]);
        let update = self.update_to(repository, branch, sha);
        self.push_updates(repository, vec![update], vec![sha.to_owned()]);
    }

    /// Pushes several commits at once; returns the last object id.
    pub fn push_commits(&mut self, repository: &str, branch: &str, comments: &[&str]) -> String {
        let mut parent = self.parent_for(repository, branch);
        let mut commits = Vec::new();
        for comment in comments {
            let sha = self.add_commit(repository, parent, comment, &["/README.md"]);
            parent = Some(sha.clone());
            commits.insert(0, sha);
        }
        let head = parent.unwrap_or_else(|| NO_OBJECT.to_owned());
        let update = self.update_to(repository, branch, &head);
        self.push_updates(repository, vec![update], commits);
        head
    }

    /// Pushes one commit to each of several branches in a single push; returns the object ids.
    pub fn push_many(&mut self, repository: &str, branches: &[(&str, &str)]) -> Vec<String> {
        let mut updates = Vec::new();
        let mut commits = Vec::new();
        for (branch, comment) in branches {
            let parent = self.parent_for(repository, branch);
            let sha = self.add_commit(repository, parent, comment, &["/README.md"]);
            updates.push(self.update_to(repository, branch, &sha));
            commits.push(sha);
        }
        self.push_updates(repository, updates, commits.clone());
        commits
    }

    /// Replaces the head of a branch by a new commit on the same parent; returns its object id.
    pub fn force_push(&mut self, repository: &str, branch: &str, comment: &str) -> String {
        let old = self.head(repository, branch).map(str::to_owned);
        let known = self.repository(repository);
        let replaced = old.and_then(|sha| known.commits.get(&sha));
        let parent = replaced.and_then(|commit| commit.parents.first().cloned());
        let sha = self.add_commit(repository, parent, comment, &["/README.md"]);
        let update = self.update_to(repository, branch, &sha);
        self.push_updates(repository, vec![update], vec![sha.clone()]);
        sha
    }

    /// Points a branch at a commit that exists already, as when a force-push goes back.
    pub fn force_push_to(&mut self, repository: &str, branch: &str, sha: &str) {
        self.move_ref(repository, &full_name(branch), sha);
    }

    /// Creates a branch at a commit that exists already.
    pub fn create_branch(&mut self, repository: &str, branch: &str, sha: &str) {
        self.move_ref(repository, &full_name(branch), sha);
    }

    /// Deletes a branch.
    pub fn delete_branch(&mut self, repository: &str, branch: &str) {
        self.move_ref(repository, &full_name(branch), NO_OBJECT);
    }

    /// Creates a lightweight tag.
    pub fn create_tag(&mut self, repository: &str, tag: &str, sha: &str) {
        self.move_ref(repository, &format!("refs/tags/{tag}"), sha);
    }

    /// Creates an annotated tag; returns the id of the tag object, which is not the commit's.
    pub fn create_annotated_tag(&mut self, repository: &str, tag: &str, sha: &str) -> String {
        let object = self.random.sha();
        let objects = &mut self.repository_mut(repository).tag_objects;
        objects.insert(object.clone(), sha.to_owned());
        self.move_ref(repository, &format!("refs/tags/{tag}"), &object);
        object
    }

    /// Deletes a tag.
    pub fn delete_tag(&mut self, repository: &str, tag: &str) {
        self.move_ref(repository, &format!("refs/tags/{tag}"), NO_OBJECT);
    }

    fn move_ref(&mut self, repository: &str, name: &str, sha: &str) {
        let update = self.update_to(repository, name, sha);
        self.push_updates(repository, vec![update], Vec::new());
    }

    /// The parent of a new commit on a branch: its head, or that of the default branch where the
    /// branch is new.
    fn parent_for(&self, repository: &str, branch: &str) -> Option<String> {
        let own = self.head(repository, branch);
        let default = self.repository(repository).default_branch.as_deref();
        let other = || default.and_then(|name| self.head(repository, name));
        own.or_else(other).map(str::to_owned)
    }

    pub(crate) fn add_commit(
        &mut self,
        repository: &str,
        parent: Option<String>,
        comment: &str,
        paths: &[&str],
    ) -> String {
        let id = self.random.sha();
        self.add_object(repository, id.clone(), parent, comment, paths);
        id
    }

    fn add_object(
        &mut self,
        repository: &str,
        id: String,
        parent: Option<String>,
        comment: &str,
        paths: &[&str],
    ) {
        let commit = Commit {
            id: id.clone(),
            comment: comment.to_owned(),
            parents: parent.into_iter().collect(),
            author: self.actor.clone(),
            at_ms: self.now_ms,
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
            renames: Vec::new(),
            statuses: Vec::new(),
        };
        self.repository_mut(repository).commits.insert(id, commit);
    }

    pub(crate) fn update_to(&self, repository: &str, name: &str, new: &str) -> RefUpdate {
        let old = self.head(repository, name).unwrap_or(NO_OBJECT).to_owned();
        RefUpdate { name: full_name(name), old, new: new.to_owned() }
    }

    /// Records a push, with the event, iterations and merge attempts that follow from it.
    pub(crate) fn push_updates(
        &mut self,
        repository: &str,
        updates: Vec<RefUpdate>,
        commits: Vec<String>,
    ) {
        self.last_push += 1;
        let (id, at_ms, by) = (self.last_push, self.now_ms, self.actor.clone());
        let known = self.repository_mut(repository);
        for update in &updates {
            if is_no_object(&update.new) {
                known.refs.remove(&update.name);
            } else {
                known.refs.insert(update.name.clone(), update.new.clone());
                let first = update.name.starts_with("refs/heads/").then(|| update.name.clone());
                known.default_branch = known.default_branch.take().or(first);
            }
        }
        let push = Push { id, at_ms, by, ref_updates: updates.clone(), commits };
        known.pushes.push(push);
        self.announce_push(repository, id, &updates);
        for update in &updates {
            self.update_pull_requests(repository, update, id);
        }
    }

    fn announce_push(&mut self, repository: &str, id: u64, updates: &[RefUpdate]) {
        let person = self.identity(&self.actor).display_name.clone();
        let name = self.repository(repository).name.clone();
        let text = format!("{person} pushed to {name} ({} refs)", updates.len());
        let mut event = self.event(EventKind::Push, repository, EventSubject::Push(id), text);
        let branches = updates.iter().filter(|update| update.name.starts_with("refs/heads/"));
        event.branches = branches.map(|update| short_name(&update.name).to_owned()).collect();
        self.announce(event);
    }

    fn update_pull_requests(&mut self, repository: &str, update: &RefUpdate, push: u64) {
        if is_no_object(&update.new) {
            return;
        }
        let source = (repository.to_owned(), update.name.clone());
        let mut ids = self.pull_requests_by_source.get(&source).cloned().unwrap_or_default();
        ids.retain(|id| self.pull_request(*id).state == PullRequestState::Active);
        if ids.is_empty() {
            return;
        }
        let reason = match descends(self.repository(repository), &update.new, &update.old) {
            true => "push",
            false => "forcePush",
        };
        for id in ids {
            self.add_iteration(id, reason, Some(push), None);
            let person = self.identity(&self.actor).display_name.clone();
            let text = format!("{person} pushed to the source branch of pull request {id}");
            self.announce_update(id, Some("PushNotification"), text);
            self.attempt_merge(id);
        }
    }
}
