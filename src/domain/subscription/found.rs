//! A subscription as Azure DevOps has it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::time::Timestamp;
use super::hook_scope::{HookScope, Topic};

/// What is set in a subscription, by the names of Azure DevOps. Only what we set ourselves is ever
/// compared; a setting that is absent counts as empty. Of a secret only its presence is known.
pub type Settings = BTreeMap<String, String>;

/// Whether a subscription delivers. Microsoft Learn: "Troubleshoot service hooks".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Enabled,
    /// Azure DevOps repeats one failed delivery and drops every new event.
    OnProbation,
    /// A person switched it off.
    DisabledByUser,
    /// Azure DevOps switched it off after too many failed deliveries.
    DisabledBySystem,
    /// The account that created it has left or may not read the project any more.
    DisabledByInactiveIdentity,
    /// A state that this version does not know.
    Unknown,
}

impl State {
    /// The name in answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Enabled => "enabled",
            State::OnProbation => "on_probation",
            State::DisabledByUser => "disabled_by_user",
            State::DisabledBySystem => "disabled_by_system",
            State::DisabledByInactiveIdentity => "disabled_by_inactive_identity",
            State::Unknown => "unknown",
        }
    }

    /// Azure DevOps has stopped delivering.
    pub(super) fn is_stopped(self) -> bool {
        matches!(
            self,
            State::OnProbation | State::DisabledBySystem | State::DisabledByInactiveIdentity
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A subscription at Azure DevOps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// GUID, lower case.
    pub id: String,
    pub topic: Topic,
    /// GUID, lower case; none where it covers the whole organization.
    pub project_id: Option<String>,
    /// Where it delivers to.
    pub url: String,
    pub state: State,
    pub settings: Settings,
    pub created_at: Option<Timestamp>,
    /// Display name of the account that created it.
    pub created_by: String,
}

impl Found {
    pub(super) fn is_at(&self, hook_scope: &HookScope) -> bool {
        self.topic == hook_scope.topic && self.project_id.as_ref() == Some(&hook_scope.project_id)
    }

    /// None where it covers the whole organization.
    pub(super) fn hook_scope(&self) -> Option<HookScope> {
        let project_id = self.project_id.clone()?;
        Some(HookScope { project_id, topic: self.topic })
    }
}

/// A subscription that delivers to this gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedHook {
    pub found: Found,
    /// The last part of its URL.
    pub hook: String,
}
