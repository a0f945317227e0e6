//! The audit log: what was done with the gateway's identities, for people who have to account for
//! it.
//!
//! One entry is one fact: who did what, for which run, with which rights, and how it ended. Entries
//! contain no secrets.

use serde::{Deserialize, Serialize};

use super::id::RunId;
use super::time::Timestamp;

/// What was done, or attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A personal access token was requested.
    Mint,
    /// A credential was used for a call.
    Use,
    /// A personal access token was revoked.
    Revoke,
    /// A person signed in as the service user, which is linked now.
    Link,
    /// The service user was unlinked.
    Unlink,
    /// An access token was renewed.
    Refresh,
}

impl Action {
    /// Every action.
    pub const ALL: [Action; 6] =
        [Action::Mint, Action::Use, Action::Revoke, Action::Link, Action::Unlink, Action::Refresh];

    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Mint => "mint",
            Action::Use => "use",
            Action::Revoke => "revoke",
            Action::Link => "link",
            Action::Unlink => "unlink",
            Action::Refresh => "refresh",
        }
    }

    /// The action of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

/// How the action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The action succeeded.
    Done,
    /// The gateway, Entra or Azure DevOps refused it.
    Refused,
    /// An error occurred, or the outcome is unknown; the action may be tried again.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 3] = [Outcome::Done, Outcome::Refused, Outcome::Failed];

    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }

    /// The outcome of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub at: Timestamp,
    pub organization: String,
    pub action: Action,
    pub outcome: Outcome,
    /// Whose rights were used or changed: mostly the user name of the service user.
    pub identity: Option<String>,
    /// Who caused it: the gateway itself, the name of an API token, a browser.
    pub actor: String,
    pub run: Option<RunId>,
    /// The authorization id of the personal access token. It identifies the token and is no secret.
    pub pat: Option<String>,
    pub scope: Option<String>,
    pub lifetime_s: Option<i64>,
    /// The id of the request at Azure DevOps or Entra, for their support.
    pub activity_id: Option<String>,
    /// What the action was for, or why it failed.
    pub detail: String,
}

impl Entry {
    /// An entry by the gateway itself. Its other fields are empty.
    pub fn new(at: Timestamp, organization: &str, action: Action, outcome: Outcome) -> Self {
        Self {
            at,
            organization: organization.to_owned(),
            action,
            outcome,
            identity: None,
            actor: "gateway".to_owned(),
            run: None,
            pat: None,
            scope: None,
            lifetime_s: None,
            activity_id: None,
            detail: String::new(),
        }
    }
}
