//! What every kind of CI can be asked, and what it answers.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::callback::{Callback, CallbackError, Mentioned};
use super::client::Call;
use super::error::{Error, Refusal};
use super::trigger::Trigger;
use crate::domain::run::{Reported, Run, Started};

/// How a run is, as its CI answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    pub state: Reported,
    /// The CI's words about that state, for people.
    pub description: Option<String>,
    /// The page of the run at the CI, for people. It is never called.
    pub url: Option<String>,
}

impl Observed {
    /// A state without words.
    pub fn state(state: Reported) -> Self {
        Self { state, description: None, url: None }
    }
}

/// What a CI answered to the request to cancel a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It will, or the run had ended already.
    Done,
    /// It is to be told again, more urgently, where the run has not ended by then.
    Again(Duration),
}

/// One thing that `azdo-gateway ci check` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub what: String,
    /// What to do about it; none where all is well, or where something could not be looked at.
    pub help: Option<String>,
}

impl Finding {
    /// All is well with this.
    pub fn note(what: impl Into<String>) -> Self {
        Self { what: what.into(), help: None }
    }

    /// This has to be changed.
    pub fn problem(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: Some(help.into()) }
    }

    /// A question that got no answer, with what to do where the credential is refused, and where
    /// what was asked for is not there.
    pub(in crate::ci) fn unanswered(error: &Error, credential: &str, gone: &str) -> Self {
        let help = match error {
            Error::Refused { refusal: Refusal::Credential, .. } => credential,
            Error::Refused { refusal: Refusal::Gone, .. } => gone,
            Error::Refused { .. } => "compare url with the address that the CI really has",
            _ => "see whether the CI is up, and whether this machine reaches it; then ask again",
        };
        Self::problem(error.to_string(), help)
    }
}

/// One CI, as the configuration describes it. Its calls are made once: whoever calls repeats them.
#[async_trait]
pub trait System: Debug + Send + Sync {
    /// The request that starts a run.
    ///
    /// # Errors
    /// A template does not render, or the run is not for this CI: [`Error::Refused`].
    fn start_call(&self, trigger: &Trigger<'_>) -> Result<Call, Error>;

    /// Starts a run. A refusal is an error.
    async fn start(&self, trigger: &Trigger<'_>) -> Result<Started, Error>;

    /// Looks for a run that an attempt may have started, by the id that the gateway gave it. None
    /// where the CI does not have it.
    async fn find(&self, _run: &Run) -> Result<Option<Started>, Error> {
        Ok(None)
    }

    /// Asks how runs are: an answer for each, in the same order. None of an empty list.
    async fn poll(&self, runs: &[&Run]) -> Vec<Result<Observed, Error>> {
        let unable = || Error::ambiguous("it cannot be asked how a run is");
        runs.iter().map(|_| Err(unable())).collect()
    }

    /// Tells the CI to cancel a run. `run.cancel_attempts` counts the attempts before.
    async fn cancel(&self, _run: &Run, _reason: &str) -> Result<Cancelled, Error> {
        Ok(Cancelled::Done)
    }

    /// Verifies a callback, and reads which runs it is about. Nothing else in it is believed.
    ///
    /// # Errors
    /// It is not from this CI, or says nothing about a run.
    fn read_callback(&self, _callback: &Callback<'_>) -> Result<Vec<Mentioned>, CallbackError> {
        Err(CallbackError::Unexpected)
    }

    /// Asks the CI whether the token, the job and its settings are right. Starts nothing.
    async fn check(&self) -> Vec<Finding>;
}
