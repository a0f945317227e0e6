//! Runs that the templates of the configuration are tried on before there is any.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::options::Kind;
use super::trigger::Trigger;
use crate::domain::event::Repository;
use crate::domain::id::RunId;
use crate::domain::run::{OfPullRequest, Run, State, Targets, Verdict};
use crate::domain::runner_lease::RunnerLeases;
use crate::domain::steps::Steps;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    PullRequest,
    Push,
    Tag,
}

impl Sample {
    /// Renders these inputs, and every template of the CI, for a run of that kind.
    ///
    /// # Errors
    /// One does not render: a clause that names it.
    pub fn try_on(
        self,
        kind: Option<&dyn Kind>,
        ci: &str,
        inputs: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let run = self.run(ci, inputs.clone());
        let trigger = trigger(&run);
        trigger.inputs().map_err(|error| error.to_string())?;
        kind.map_or(Ok(()), |kind| kind.render_for(&trigger))
    }

    /// What it is, in a message.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PullRequest => "pull request",
            Self::Push => "push",
            Self::Tag => "tag",
        }
    }

    /// A run of that kind with these inputs, at the CI of this name.
    pub fn run(self, ci: &str, inputs: BTreeMap<String, String>) -> Run {
        let source_ref = match self {
            Self::PullRequest | Self::Push => "refs/heads/topic/sample",
            Self::Tag => "refs/tags/v1.0",
        };
        let commit = "5a3b".repeat(10);
        let pull_request = (self == Self::PullRequest).then(|| OfPullRequest {
            id: 42,
            title: "Sample".to_owned(),
            source_ref: source_ref.to_owned(),
            target_ref: "refs/heads/main".to_owned(),
            merge_ref: "refs/pull/42/merge".to_owned(),
            source_commit: commit.clone(),
            target_commit: Some("6b4c".repeat(10)),
            merge_commit: Some("7c5d".repeat(10)),
            is_draft: false,
            is_fork: false,
        });
        Run {
            id: RunId(Uuid::nil()),
            number: 0,
            revision: 0,
            check: "sample".to_owned(),
            genre: "ci".to_owned(),
            organization: "sample".to_owned(),
            repository: Repository {
                id: Uuid::nil().to_string(),
                name: "sample".to_owned(),
                project_id: Uuid::nil().to_string(),
                project: "Sample".to_owned(),
            },
            commit,
            git_ref: source_ref.to_owned(),
            pull_request,
            ci: ci.to_owned(),
            inputs,
            is_cancellable: true,
            ci_concurrency: None,
            targets: Targets { pull_request: true, commit: true },
            status_link: Default::default(),
            concurrency: None,
            timeout_ms: 0,
            verdict: Verdict::default(),
            state: State::Planned,
            reason: "a sample".to_owned(),
            description: None,
            url: None,
            ci_id: None,
            attempts: 0,
            runner: RunnerLeases::default(),
            look_ups: None,
            happened_at: None,
            cancel_attempts: None,
            ci_problem: None,
            reports: 0,
            steps: Steps::default(),
            created_at: Timestamp::ZERO,
            updated_at: Timestamp::ZERO,
            overdue_at: Timestamp::ZERO,
        }
    }
}

/// The first attempt at starting a sample.
pub(crate) fn trigger(run: &Run) -> Trigger<'_> {
    Trigger {
        run,
        attempt: 1,
        clone_url: "https://dev.azure.com/sample/Sample/_git/sample".to_owned(),
        report_url: "https://gateway.example.com/v1/runs/sample/reports".to_owned(),
        report_token: Secret::new("sample".to_owned()),
        sent_at: run.created_at,
    }
}
