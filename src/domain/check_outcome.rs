//! What a decision came to about one check.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::check::Mismatch;
use super::id::RunId;
use super::run::Run;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOutcome {
    pub check: String,
    /// Whether a run was started.
    pub started: bool,
    /// The run that was started, or that was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Why it was not started or was cancelled; what else there is to say about a start, if
    /// anything. A clause.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The key of the configuration that kept it from starting, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'static, str>>,
}

impl CheckOutcome {
    /// A run was started.
    pub fn started(run: &Run, although: &str) -> Self {
        Self {
            check: run.check.clone(),
            started: true,
            run: Some(run.id),
            why: although.trim().to_owned(),
            key: None,
        }
    }

    /// None was started.
    pub fn not_started(check: &str, obstacle: &Mismatch) -> Self {
        let Mismatch { key, why, .. } = obstacle;
        let (check, why) = (check.to_owned(), why.clone());
        Self { check, why, key: key.map(Cow::Borrowed), ..Self::default() }
    }

    /// The run was cancelled.
    pub fn cancelled(run: &Run) -> Self {
        let (check, why) = (run.check.clone(), run.reason.clone());
        Self { check, run: Some(run.id), why, ..Self::default() }
    }
}
