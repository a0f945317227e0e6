//! What was done with our identity, for people who have to answer for it later.
//!
//! One entry is one fact: who did what, for which run, with what rights, and how it ended. It must
//! never hold a secret.

use serde::{Deserialize, Serialize};

use super::id::RunId;
use super::time::Timestamp;

/// What was done, or tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A personal access token was asked for.
    Mint,
    /// It was spent on a call.
    Use,
    /// It was made worthless.
    Revoke,
    /// A person signed in as the service user.
    Link,
    /// The service user was taken away.
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

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// Somebody said no: we, Entra or Azure DevOps.
    Refused,
    /// It is not known, or did not work; it may be tried again.
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

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub at: Timestamp,
    pub organization: String,
    pub action: Action,
    pub outcome: Outcome,
    /// Whose rights were used or changed: the user name of the service user, where it is known.
    pub identity: Option<String>,
    /// Who of ours asked for it: a stage, a person's API token, a browser.
    pub actor: String,
    pub run: Option<RunId>,
    /// The authorization id of the personal access token: it identifies and opens nothing.
    pub pat: Option<String>,
    pub scope: Option<String>,
    pub lifetime_s: Option<i64>,
    /// What Azure DevOps or Entra calls the request, for their support.
    pub activity_id: Option<String>,
    /// What it was for, or why it did not work.
    pub detail: String,
}

impl Entry {
    /// An entry of which only the head is known yet.
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
