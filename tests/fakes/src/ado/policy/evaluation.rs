//! What each policy evaluates to for a pull request.
//!
//! Only the status policy is evaluated. One that resets on new changes accepts only a status on the
//! newest iteration.

use super::configuration::{EvaluationStatus, Policy, STATUS_POLICY};
use crate::ado::model::{PullRequest, Status};
use crate::ado::world::World;

impl World {
    /// All policies, by number.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.values()
    }

    /// Changes a policy as an administrator in the portal would.
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

    /// What each status policy that applies evaluates to for a pull request.
    pub fn evaluations(&self, id: u64) -> Vec<(&Policy, EvaluationStatus)> {
        let pull_request = self.pull_request(id);
        let applicable = self.policies.values().filter(|policy| {
            policy.is_enabled
                && policy.policy_type == STATUS_POLICY
                && self.policy_covers(policy, pull_request)
        });
        applicable.map(|policy| (policy, self.evaluated(policy, pull_request))).collect()
    }

    /// Whether every blocking policy is satisfied.
    pub fn policies_satisfied(&self, id: u64) -> bool {
        self.blocking_policies(id).is_empty()
    }

    /// The blocking policies that are not satisfied.
    pub fn blocking_policies(&self, id: u64) -> Vec<(&Policy, EvaluationStatus)> {
        let is_satisfied = |evaluated: &EvaluationStatus| {
            matches!(evaluated, EvaluationStatus::Approved | EvaluationStatus::NotApplicable)
        };
        let all = self.evaluations(id).into_iter();
        all.filter(|(policy, evaluated)| policy.is_blocking && !is_satisfied(evaluated)).collect()
    }

    /// Whether a status must name an iteration, because a blocking policy for its context resets on
    /// new changes (docs/azure-devops.md §5; `GitPullRequestStatusRejectedByPolicyException`).
    pub(crate) fn policy_needs_iteration(&self, id: u64, status: &Status) -> bool {
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

    fn evaluated(&self, policy: &Policy, pull_request: &PullRequest) -> EvaluationStatus {
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
            None if policy.is_conditional() => EvaluationStatus::NotApplicable,
            Some("succeeded") => EvaluationStatus::Approved,
            Some("failed" | "error") => EvaluationStatus::Rejected,
            Some("notApplicable") => EvaluationStatus::NotApplicable,
            _ => EvaluationStatus::Queued,
        }
    }
}
