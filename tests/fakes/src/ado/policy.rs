//! Branch policies, and what they think of a pull request (docs/azure-devops.md §5).
//!
//! Only the status policy is judged; others are stored and shown. A policy that resets on new
//! changes accepts only a status on the newest iteration. Nothing here knows HTTP.

use serde_json::Value;

use super::model::{PullRequest, Status};
use super::world::World;

/// The type of the status policy; the same GUID everywhere (docs/azure-devops.md §5).
pub const STATUS_POLICY: &str = "cbdc66da-9728-4af8-aada-9a5a32e4a226";

/// A policy configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Number.
    pub id: u64,
    /// GUID of its project.
    pub project: String,
    /// How often it was changed, from one.
    pub revision: u64,
    /// GUID of its type.
    pub policy_type: String,
    /// Whether it applies at all.
    pub is_enabled: bool,
    /// Whether it keeps pull requests from being completed.
    pub is_blocking: bool,
    /// Settings as given, with their defaults.
    pub settings: Value,
    /// GUID of who created it.
    pub created_by: String,
    /// When it was created.
    pub created_ms: i64,
}

/// What a policy thinks of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It waits.
    Queued,
    /// It is content.
    Approved,
    /// It is not.
    Rejected,
    /// It does not apply.
    NotApplicable,
}

impl Verdict {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::NotApplicable => "notApplicable",
        }
    }
}

impl Policy {
    fn text(&self, key: &str) -> &str {
        self.settings.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn resets_on_push(&self) -> bool {
        self.settings.get("invalidateOnSourceUpdate").and_then(Value::as_bool) == Some(true)
    }

    fn is_conditional(&self) -> bool {
        self.settings.get("policyApplicability").and_then(Value::as_u64) == Some(1)
    }

    fn is_about(&self, status: &Status) -> bool {
        self.text("statusName").eq_ignore_ascii_case(&status.name)
            && self.text("statusGenre").eq_ignore_ascii_case(&status.genre)
    }

    /// Its scopes.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &Value> {
        self.settings.get("scope").and_then(Value::as_array).into_iter().flatten()
    }

    /// Whether one of its scopes lies in a repository, or in all of them when none is given.
    pub(crate) fn is_about_repository(&self, repository: Option<&str>) -> bool {
        self.scopes().any(|scope| match (repository_of(scope), repository) {
            (None, _) => true,
            (Some(id), Some(repository)) => id.eq_ignore_ascii_case(repository),
            (Some(_), None) => false,
        })
    }

    /// Whether a branch lies in one of its scopes.
    pub(crate) fn covers(&self, repository: &str, branch: &str, default: Option<&str>) -> bool {
        self.scopes().any(|scope| {
            let text = |key: &str| scope.get(key).and_then(Value::as_str);
            let here = repository_of(scope).is_none_or(|id| id.eq_ignore_ascii_case(repository));
            let name = text("refName").unwrap_or_default();
            let kind = text("matchKind").unwrap_or("exact").to_ascii_lowercase();
            here && match kind.as_str() {
                "prefix" => branch.starts_with(name),
                "defaultbranch" => Some(branch) == default,
                _ => branch == name,
            }
        })
    }
}

/// The GUID of the repository that a scope names; none means every one of the project.
pub(crate) fn repository_of(scope: &Value) -> Option<&str> {
    scope.get("repositoryId").and_then(Value::as_str)
}

impl World {
    /// The policies there are, by number.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.values()
    }

    /// Changes a policy behind everybody's back, as an administrator in the portal would.
    pub fn change_policy(&mut self, id: u64, change: impl FnOnce(&mut Policy)) {
        if let Some(policy) = self.policies.get_mut(&id) {
            change(policy);
            policy.revision += 1;
        }
    }

    /// Deletes a policy; false when there is none of that number.
    pub fn remove_policy(&mut self, id: u64) -> bool {
        self.policies.remove(&id).is_some()
    }

    /// What each status policy thinks of a pull request.
    pub fn evaluations(&self, id: u64) -> Vec<(&Policy, Verdict)> {
        let pull_request = self.pull_request(id);
        let applicable = self.policies.values().filter(|policy| {
            policy.is_enabled
                && policy.policy_type == STATUS_POLICY
                && self.policy_covers(policy, pull_request)
        });
        applicable.map(|policy| (policy, self.verdict(policy, pull_request))).collect()
    }

    /// Whether every blocking policy lets a pull request be completed.
    pub fn policies_satisfied(&self, id: u64) -> bool {
        self.blocking_policies(id).is_empty()
    }

    /// The policies that keep a pull request from being completed.
    pub fn blocking_policies(&self, id: u64) -> Vec<(&Policy, Verdict)> {
        let is_content =
            |verdict: &Verdict| matches!(verdict, Verdict::Approved | Verdict::NotApplicable);
        let all = self.evaluations(id).into_iter();
        all.filter(|(policy, verdict)| policy.is_blocking && !is_content(verdict)).collect()
    }

    /// Whether a status must name an iteration: a blocking policy that resets on new changes is
    /// about its context (docs/azure-devops.md §5;
    /// `GitPullRequestStatusRejectedByPolicyException`).
    pub(crate) fn policy_wants_iteration(&self, id: u64, status: &Status) -> bool {
        let pull_request = self.pull_request(id);
        self.policies.values().any(|policy| {
            policy.is_enabled
                && policy.is_blocking
                && policy.policy_type == STATUS_POLICY
                && policy.resets_on_push()
                && policy.is_about(status)
                && self.policy_covers(policy, pull_request)
        })
    }

    fn policy_covers(&self, policy: &Policy, pull_request: &PullRequest) -> bool {
        let repository = self.repository(&pull_request.repository);
        policy.project == repository.project
            && policy.covers(
                &repository.id,
                &pull_request.target_ref,
                repository.default_branch.as_deref(),
            )
    }

    fn verdict(&self, policy: &Policy, pull_request: &PullRequest) -> Verdict {
        let newest = pull_request.iterations.last().map(|iteration| iteration.id);
        let author = policy.text("authorId");
        let counts = |status: &&Status| {
            let in_time = status.iteration == newest
                || (status.iteration.is_none() && !policy.resets_on_push());
            let by_right_author = author.is_empty() || status.by.eq_ignore_ascii_case(author);
            policy.is_about(status) && in_time && by_right_author
        };
        let status = pull_request.statuses.iter().rev().find(counts);
        match status.map(|status| status.state.as_str()) {
            None if policy.is_conditional() => Verdict::NotApplicable,
            Some("succeeded") => Verdict::Approved,
            Some("failed" | "error") => Verdict::Rejected,
            Some("notApplicable") => Verdict::NotApplicable,
            _ => Verdict::Queued,
        }
    }
}
