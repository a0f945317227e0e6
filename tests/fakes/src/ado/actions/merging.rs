//! Merge attempts of pull requests, and their iterations.
//!
//! ADO attempts a merge when a pull request is opened and after each push, and each attempt is an
//! event (docs/azure-devops.md §2.3). An attempt may stay queued for a while.

use std::collections::HashSet;

use crate::ado::hooks::event::{Event, EventKind, EventSubject};
use crate::ado::model::{Commit, Iteration, PullRequestState, Repository};
use crate::ado::world::World;

/// How far back a merge base is looked for. Where none is found, the target is taken for it.
const ANCESTRY_LIMIT_COMMITS: usize = 2_000;

impl World {
    /// Begins a merge attempt. It is finished at once unless the options delay merges.
    pub(crate) fn attempt_merge(&mut self, id: u64) {
        let merge_id = self.random.guid();
        let due_ms = self.now_ms + self.options.merge_delay_ms;
        let (source, target) = self.heads_of(id);
        let pull_request = self.pull_request_mut(id);
        pull_request.merge_status = "queued";
        pull_request.merge_id = merge_id;
        pull_request.merge_commit = None;
        (pull_request.merge_source, pull_request.merge_target) = (source, target);
        self.queued_merges.retain(|(_, queued)| *queued != id);
        self.queued_merges.push((due_ms, id));
        self.finish_due_merges();
    }

    /// Finishes the merge attempts that are queued, before their time.
    pub fn finish_merges(&mut self) {
        let now_ms = self.now_ms;
        self.queued_merges.iter_mut().for_each(|(due_ms, _)| *due_ms = now_ms);
        self.finish_due_merges();
    }

    /// Finishes the merge attempts whose time has come.
    pub(crate) fn finish_due_merges(&mut self) {
        let now_ms = self.now_ms;
        while let Some(at) = self.queued_merges.iter().position(|(due_ms, _)| *due_ms <= now_ms) {
            let (_, id) = self.queued_merges.remove(at);
            if self.pull_request(id).state == PullRequestState::Active {
                self.finish_merge(id);
            }
        }
    }

    fn finish_merge(&mut self, id: u64) {
        let pull_request = self.pull_request(id).clone();
        let merge_ref = format!("refs/pull/{id}/merge");
        let (status, commit, result) = if pull_request.conflicts {
            self.repository_mut(&pull_request.repository).refs.remove(&merge_ref);
            ("conflicts", None, "Conflicts")
        } else {
            let commit = self.merge_commit(&pull_request);
            let repository = self.repository_mut(&pull_request.repository);
            repository.refs.insert(merge_ref, commit.id.clone());
            let merged = commit.id.clone();
            repository.commits.insert(commit.id.clone(), commit);
            ("succeeded", Some(merged), "Succeeded")
        };
        let changed = self.pull_request_mut(id);
        changed.merge_status = status;
        changed.merge_commit = commit;
        let person = self.identity(&pull_request.by).display_name.clone();
        let text = format!("{person}: a merge of pull request {id} was attempted ({status})");
        let mut event = self.pull_request_event(EventKind::Merged, id, text);
        event.merge_result = Some(result);
        self.announce(event);
    }

    fn merge_commit(&mut self, pull_request: &crate::ado::model::PullRequest) -> Commit {
        Commit {
            id: self.random.sha(),
            comment: format!(
                "Merge pull request {} from {}",
                pull_request.id, pull_request.source_ref
            ),
            parents: vec![pull_request.merge_target.clone(), pull_request.merge_source.clone()],
            author: pull_request.by.clone(),
            at_ms: self.now_ms,
            paths: Vec::new(),
            renames: Vec::new(),
            statuses: Vec::new(),
        }
    }

    /// An event about a pull request as it is now.
    pub(crate) fn pull_request_event(&mut self, kind: EventKind, id: u64, text: String) -> Event {
        let pull_request = self.pull_request(id);
        let target = crate::ado::model::ref_names::short_name(&pull_request.target_ref).to_owned();
        let (repository, by) = (pull_request.repository.clone(), pull_request.by.clone());
        let mut event = self.event(kind, &repository, EventSubject::PullRequest(id), text);
        event.branches = vec![target];
        event.created_by = by;
        event
    }

    /// The heads of the source and of the target branch.
    pub(crate) fn heads_of(&self, id: u64) -> (String, String) {
        let pull_request = self.pull_request(id);
        let origin = pull_request.fork.as_ref().unwrap_or(&pull_request.repository);
        let head = |repository: &str, name: &str| self.head(repository, name).map(str::to_owned);
        let source = head(origin, &pull_request.source_ref);
        let target = head(&pull_request.repository, &pull_request.target_ref);
        (
            source.unwrap_or_else(|| pull_request.merge_source.clone()),
            target.unwrap_or_else(|| pull_request.merge_target.clone()),
        )
    }

    /// Adds an iteration for the present heads. The commits of a fork are copied into the target
    /// repository.
    pub(crate) fn add_iteration(
        &mut self,
        id: u64,
        reason: &'static str,
        push: Option<u64>,
        retarget: Option<(String, String)>,
    ) {
        let (source, target) = self.heads_of(id);
        self.fetch_from_fork(id, &source);
        let repository = self.repository(&self.pull_request(id).repository);
        let common = merge_base(repository, &source, &target);
        let at_ms = self.now_ms;
        let iterations = &mut self.pull_request_mut(id).iterations;
        let number = iterations.len() as u64 + 1;
        iterations.push(Iteration {
            id: number,
            reason,
            source,
            target,
            common,
            push,
            retarget,
            at_ms,
        });
    }

    fn fetch_from_fork(&mut self, id: u64, head: &str) {
        let pull_request = self.pull_request(id);
        let Some(fork) = pull_request.fork.clone() else { return };
        let target = pull_request.repository.clone();
        let fork = self.repository(&fork);
        let wanted: Vec<_> = ancestors(fork, head)
            .into_iter()
            .filter(|sha| !self.repository(&target).commits.contains_key(sha))
            .filter_map(|sha| fork.commits.get(&sha).cloned())
            .collect();
        let known = &mut self.repository_mut(&target).commits;
        known.extend(wanted.into_iter().map(|commit| (commit.id.clone(), commit)));
    }
}

/// The newest common ancestor; the target when none is found.
pub(crate) fn merge_base(repository: &Repository, source: &str, target: &str) -> String {
    let of_target: HashSet<_> = ancestors(repository, target).into_iter().collect();
    let mut of_source = ancestors(repository, source).into_iter();
    of_source.find(|sha| of_target.contains(sha)).unwrap_or_else(|| target.to_owned())
}

/// Whether `old` is an ancestor of `new`, so that moving a ref needs no force.
pub(crate) fn descends(repository: &Repository, new: &str, old: &str) -> bool {
    ancestors(repository, new).iter().any(|sha| sha == old)
}

/// A commit and its ancestors, nearest first, up to a limit.
pub(crate) fn ancestors(repository: &Repository, head: &str) -> Vec<String> {
    let mut found = vec![head.to_owned()];
    let mut seen: HashSet<String> = found.iter().cloned().collect();
    let mut at = 0;
    while let Some(sha) = found.get(at).cloned() {
        at += 1;
        let parents = repository.commits.get(&sha).map(|commit| commit.parents.clone());
        for parent in parents.unwrap_or_default() {
            if found.len() < ANCESTRY_LIMIT_COMMITS && seen.insert(parent.clone()) {
                found.push(parent);
            }
        }
    }
    found
}
