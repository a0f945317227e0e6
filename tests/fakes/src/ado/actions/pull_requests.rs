//! Changes by people to pull requests.
//!
//! Which event a change causes, and which filter lets it through, follows live measurements
//! (docs/azure-devops.md §2.3): pushes, reviewers, votes and changes of the state have a filter.
//! Any other change reaches only subscriptions without a filter.

use crate::ado::hooks::event::{EventKind, EventSubject};
use crate::ado::model::ref_names::full_name;
use crate::ado::model::{Comment, NewPullRequest, PullRequestState, Reviewer, Thread};
use crate::ado::world::World;

impl World {
    /// Opens a pull request and returns its number.
    pub fn open_pull_request(&mut self, new: &NewPullRequest) -> u64 {
        let last = self.pull_requests.keys().last().copied().unwrap_or(0);
        let id = self.options.next_pull_request.max(last + 1);
        let (source_ref, target_ref) = (full_name(&new.source), full_name(&new.target));
        let origin = new.fork.as_ref().unwrap_or(&new.repository);
        assert!(self.head(origin, &source_ref).is_some(), "there is no branch {source_ref}");
        let target = self.head(&new.repository, &target_ref);
        assert!(target.is_some(), "there is no branch {target_ref}");
        let source = (origin.clone(), source_ref);
        self.pull_requests_by_source.entry(source).or_default().push(id);
        let pull_request = new.opened(id, &self.actor, self.now_ms);
        self.pull_requests.insert(id, pull_request);
        self.add_iteration(id, "create", Some(self.last_push), None);
        let text = format!("{} opened pull request {id}", self.actor_name());
        let event = self.pull_request_event(EventKind::Created, id, text);
        self.announce(event);
        self.attempt_merge(id);
        id
    }

    /// Moves a pull request to another target branch.
    pub fn retarget(&mut self, id: u64, target: &str) {
        let new = full_name(target);
        let changed = self.pull_request_mut(id);
        let old = std::mem::replace(&mut changed.target_ref, new.clone());
        self.add_iteration(id, "retarget", None, Some((old, new)));
        self.announce_update(id, None, format!("The target of pull request {id} changed"));
        self.attempt_merge(id);
    }

    /// Makes a pull request a draft.
    pub fn set_draft(&mut self, id: u64) {
        self.pull_request_mut(id).is_draft = true;
        self.announce_update(id, None, format!("Pull request {id} is a draft again"));
    }

    /// Publishes a draft. Whether a filter lets this event through is unknown; here none does,
    /// which is the worst case for a subscriber.
    pub fn publish(&mut self, id: u64) {
        self.pull_request_mut(id).is_draft = false;
        self.announce_update(id, None, format!("Pull request {id} was published"));
    }

    /// Closes a pull request without merging it.
    pub fn abandon(&mut self, id: u64) {
        self.close(id, PullRequestState::Abandoned);
    }

    /// Opens an abandoned pull request again, which attempts a merge.
    pub fn reactivate(&mut self, id: u64) {
        let changed = self.pull_request_mut(id);
        changed.state = PullRequestState::Active;
        changed.closed_ms = None;
        let text = format!("Pull request {id} was reactivated");
        self.announce_update(id, Some("StatusUpdateNotification"), text);
        self.attempt_merge(id);
    }

    /// Completes a pull request as the button in the portal does: only an active one without
    /// conflicts whose blocking policies are satisfied.
    ///
    /// # Errors
    /// Why it cannot be completed, for people.
    pub fn try_complete(&mut self, id: u64) -> Result<String, String> {
        let pull_request = self.pull_request(id);
        if pull_request.state != PullRequestState::Active {
            return Err(format!("pull request {id} is {}", pull_request.state.name()));
        }
        if pull_request.is_draft {
            return Err(format!("pull request {id} is a draft"));
        }
        if pull_request.merge_status != "succeeded" {
            return Err(format!("the merge attempt is {}", pull_request.merge_status));
        }
        let blocking = self.blocking_policies(id);
        if let Some((policy, evaluated)) = blocking.first() {
            return Err(format!("policy {} is {}", policy.id, evaluated.name()));
        }
        Ok(self.complete(id))
    }

    /// Completes a pull request without regard to policies, which pushes to the target branch;
    /// returns the merge commit.
    pub fn complete(&mut self, id: u64) -> String {
        let (source, target) = self.heads_of(id);
        let pull_request = self.pull_request(id).clone();
        let comment = format!("Merged PR {id}: {}", pull_request.title);
        let (repository, branch) = (&pull_request.repository, &pull_request.target_ref);
        let sha = self.add_commit(repository, Some(target), &comment, &["/README.md"]);
        if let Some(commit) = self.repository_mut(repository).commits.get_mut(&sha) {
            commit.parents.push(source);
        }
        self.pull_request_mut(id).merge_commit = Some(sha.clone());
        self.close(id, PullRequestState::Completed);
        let update = self.update_to(repository, branch, &sha);
        self.push_updates(repository, vec![update], vec![sha.clone()]);
        sha
    }

    fn close(&mut self, id: u64, state: PullRequestState) {
        let now_ms = self.now_ms;
        let changed = self.pull_request_mut(id);
        changed.state = state;
        changed.closed_ms = Some(now_ms);
        let text = format!("Pull request {id} was {}", state.name());
        self.announce_update(id, Some("StatusUpdateNotification"), text);
    }

    /// Sets whether the following merge attempts conflict.
    pub fn set_conflicts(&mut self, id: u64, conflicts: bool) {
        self.pull_request_mut(id).conflicts = conflicts;
    }

    /// Adds a reviewer.
    pub fn add_reviewer(&mut self, id: u64, identity: &str) {
        let reviewer = Reviewer { id: identity.to_owned(), vote: 0 };
        self.pull_request_mut(id).reviewers.push(reviewer);
        let text = format!("A reviewer was added to pull request {id}");
        self.announce_update(id, Some("ReviewersUpdateNotification"), text);
    }

    /// Votes. An identity that is no reviewer yet becomes one.
    pub fn vote(&mut self, id: u64, identity: &str, vote: i8) {
        let reviewers = &mut self.pull_request_mut(id).reviewers;
        reviewers.retain(|reviewer| reviewer.id != identity);
        reviewers.push(Reviewer { id: identity.to_owned(), vote });
        let text = format!("A reviewer voted on pull request {id}");
        self.announce_update(id, Some("ReviewerVoteNotification"), text);
    }

    /// Changes the title.
    pub fn edit_title(&mut self, id: u64, title: &str) {
        title.clone_into(&mut self.pull_request_mut(id).title);
        self.announce_update(id, None, format!("The title of pull request {id} changed"));
    }

    /// Adds a label. No event is known for labels.
    pub fn add_label(&mut self, id: u64, name: &str) {
        let label = (self.random.guid(), name.to_owned());
        self.pull_request_mut(id).labels.push(label);
    }

    /// Removes a label.
    pub fn remove_label(&mut self, id: u64, name: &str) {
        self.pull_request_mut(id).labels.retain(|(_, label)| label != name);
    }

    /// Comments in a new thread; returns the numbers of the thread and of the comment.
    pub fn comment(&mut self, id: u64, content: &str) -> (u64, u64) {
        let (by, at_ms) = (self.actor.clone(), self.now_ms);
        let threads = &mut self.pull_request_mut(id).threads;
        let thread = threads.len() as u64 + 1;
        let comment = Comment {
            id: 1,
            parent: 0,
            by,
            content: content.to_owned(),
            published_ms: at_ms,
            updated_ms: at_ms,
            is_deleted: false,
        };
        threads.push(Thread { id: thread, comments: vec![comment] });
        self.announce_comment(id, thread, 1, "commented on");
        (thread, 1)
    }

    /// Adds a comment to a thread; returns its number.
    pub fn reply(&mut self, id: u64, thread: u64, content: &str) -> u64 {
        let by = self.actor.clone();
        self.reply_as(&by, id, thread, 1, content)
    }

    pub(crate) fn reply_as(
        &mut self,
        by: &str,
        id: u64,
        thread: u64,
        parent: u64,
        content: &str,
    ) -> u64 {
        let at_ms = self.now_ms;
        let threads = &mut self.pull_request_mut(id).threads;
        let Some(found) = threads.iter_mut().find(|one| one.id == thread) else { return 0 };
        let number = found.comments.len() as u64 + 1;
        found.comments.push(Comment {
            id: number,
            parent,
            by: by.to_owned(),
            content: content.to_owned(),
            published_ms: at_ms,
            updated_ms: at_ms,
            is_deleted: false,
        });
        self.announce_comment(id, thread, number, "commented on");
        number
    }

    /// Delivers a comment once more, as if it had just been written.
    pub fn announce_comment_again(&mut self, id: u64, thread: u64) {
        self.announce_comment(id, thread, 1, "commented on");
    }

    /// Changes the text of a comment.
    pub fn edit_comment(&mut self, id: u64, thread: u64, content: &str) {
        let now_ms = self.now_ms;
        self.change_comment(id, thread, |comment| {
            content.clone_into(&mut comment.content);
            comment.updated_ms = now_ms;
        });
        self.announce_comment(id, thread, 1, "edited a comment on");
    }

    /// Deletes a comment.
    pub fn delete_comment(&mut self, id: u64, thread: u64) {
        self.change_comment(id, thread, |comment| comment.is_deleted = true);
        self.announce_comment(id, thread, 1, "deleted a comment on");
    }

    fn change_comment(&mut self, id: u64, thread: u64, change: impl FnOnce(&mut Comment)) {
        let threads = &mut self.pull_request_mut(id).threads;
        let found = threads.iter_mut().find(|one| one.id == thread);
        if let Some(comment) = found.and_then(|thread| thread.comments.first_mut()) {
            change(comment);
        }
    }

    fn announce_comment(&mut self, id: u64, thread: u64, comment: u64, did: &str) {
        let text = format!("{} {did} pull request {id}", self.actor_name());
        let mut event = self.pull_request_event(EventKind::Comment, id, text);
        event.subject = EventSubject::Comment { pull_request: id, thread, comment };
        self.announce(event);
    }

    pub(crate) fn announce_update(&mut self, id: u64, filter: Option<&'static str>, text: String) {
        let mut event = self.pull_request_event(EventKind::Updated, id, text);
        event.notification_type = filter;
        self.announce(event);
    }

    fn actor_name(&self) -> String {
        self.identity(&self.actor).display_name.clone()
    }
}
