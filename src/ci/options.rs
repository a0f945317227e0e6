//! The options of a CI system, wherever they were read from.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use super::client_identity::ClientIdentity;
use super::system::System;
use super::trigger::Trigger;
use crate::domain::follow::Abilities;
use crate::domain::pipeline_project::PipelineProject;
use crate::secret::Secret;

/// One `[ci.NAME]`.
#[derive(Clone, Debug)]
pub struct Options {
    /// The word of `kind`.
    pub kind_name: &'static str,
    pub common: Common,
    pub kind: Arc<dyn Kind>,
}

/// What every kind has.
#[derive(Clone, Debug)]
pub struct Common {
    /// Runs at this CI at the same time, at most.
    pub concurrency: Option<u32>,
    /// Calls to its account per minute, at most.
    pub requests_per_minute: Option<u32>,
    /// One call, from connecting to the last byte.
    pub call_timeout: Duration,
    pub poll_interval: Duration,
    pub poll_interval_max: Duration,
    /// PEM: who signs the CI's certificate, besides those that the machine trusts.
    pub ca_file: Option<PathBuf>,
}

/// On which terms runners take the runs of a CI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// A runner needs all of them.
    pub labels: Vec<String>,
    /// How long a runner has a run without a heartbeat.
    pub lease: Duration,
}

/// What only one kind has: its keys, and what follows from them.
pub trait Kind: Debug + Send + Sync {
    /// What a CI of this kind can be asked, with these keys.
    fn abilities(&self) -> Abilities;

    /// The secrets that no text may contain.
    fn secrets(&self) -> Vec<Secret> {
        Vec::new()
    }

    /// Whose budget of calls is used: the kind, the host, and what identifies the account there,
    /// without a secret. `name` where the section has an account of its own.
    fn account(&self, name: &str) -> String;

    /// Whether callbacks are expected: a secret for them is configured.
    fn takes_callbacks(&self) -> bool {
        false
    }

    /// The project at Azure DevOps whose hooks tell that a run has ended; none where there is none.
    fn pipeline_project(&self) -> Option<PipelineProject> {
        None
    }

    /// Renders every template of the section for a run, as it would be when that is started,
    /// polled and cancelled.
    ///
    /// # Errors
    /// One does not render: a clause that begins with the name of its key.
    fn render_for(&self, _trigger: &Trigger<'_>) -> Result<(), String> {
        Ok(())
    }

    /// How long a 429 locks the account out, whatever it says.
    fn lockout(&self) -> Option<Duration> {
        None
    }

    /// The certificate that the CI is shown.
    fn client_identity(&self) -> Option<&ClientIdentity> {
        None
    }

    /// On which terms runners take its runs; none where it is not for runners.
    fn lease_terms(&self) -> Option<LeaseTerms> {
        None
    }

    /// The system, for calls through this client.
    fn system(&self, client: Client) -> Arc<dyn System>;
}
