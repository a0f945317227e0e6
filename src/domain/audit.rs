//! The audit log: what was done with the gateway's identities, for people who have to account for
//! it.
//!
//! One entry is one fact: who did what, for which run, with which rights, and how it ended. Entries
//! contain no secrets.

use serde::{Deserialize, Serialize};

use super::id::RunId;
use super::time::Timestamp;

macro_rules! words {
    ($(#[$of:meta])* $kind:ident { $($(#[$doc:meta])* $name:ident = $word:literal,)* }) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $kind { $($(#[$doc])* $name,)* }

        impl $kind {
            /// Every one.
            pub const ALL: &'static [$kind] = &[$($kind::$name,)*];

            /// The word in the API and in the store.
            pub fn as_str(self) -> &'static str {
                match self { $($kind::$name => $word,)* }
            }

            /// The one with that word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

words! {
    /// What was done, or attempted.
    Action {
        /// A personal access token was requested.
        Mint = "mint",
        /// A credential was used for a call.
        Use = "use",
        /// A personal access token was revoked.
        Revoke = "revoke",
        /// A person signed in as the service user, which is linked now.
        Link = "link",
        /// The service user was unlinked.
        Unlink = "unlink",
        /// An access token was renewed.
        Refresh = "refresh",
        /// A person asked for a pass over hooks and policies.
        Reconcile = "reconcile",
        /// A person asked for a search for missed events.
        CatchUp = "catch_up",
        /// A person gave hooks new secrets.
        Rotate = "rotate",
        /// A person had the hooks removed.
        Remove = "remove",
        /// A person had a delivery decided again.
        Replay = "replay",
        /// A person cancelled a run.
        Cancel = "cancel",
        /// A person had a run run again.
        Rerun = "rerun",
        /// A status was posted that belongs to no run.
        Status = "status",
        /// A person gave a command in a comment on a pull request.
        Command = "command",
        /// A person signed in to the pages.
        SignIn = "sign_in",
        /// Somebody was refused when signing in.
        SignInRefused = "sign_in_refused",
        /// A person signed out.
        SignOut = "sign_out",
        /// A person ended sessions of people at the pages.
        RevokeSessions = "revoke_sessions",
        /// A person had the configuration read again.
        Reload = "reload",
    }
}

words! {
    /// How the action ended.
    Outcome {
        /// The action succeeded.
        Done = "done",
        /// The gateway, Entra or Azure DevOps refused it.
        Refused = "refused",
        /// An error occurred, or the outcome is unknown; the action may be tried again.
        Failed = "failed",
    }
}

words! {
    /// How whoever did it proved who they are.
    Via {
        /// It was the gateway itself.
        Gateway = "gateway",
        /// An API token.
        ApiToken = "api_token",
        /// A sign-in to the pages.
        Session = "session",
        /// The link that works once.
        OneTimeLink = "one_time_link",
        /// Somebody who proved nothing.
        Nobody = "nobody",
        /// A comment on a pull request, whose author Azure DevOps names.
        Comment = "comment",
        /// A command that opened the store, while no gateway ran.
        CommandLine = "command_line",
    }
}

/// Who did something, and how they proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub name: String,
    pub via: Via,
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
    pub via: Via,
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
    /// The entry with another actor.
    pub fn by(self, Actor { name, via }: Actor) -> Self {
        Self { actor: name, via, ..self }
    }

    /// An entry by the gateway itself. Its other fields are empty.
    pub fn new(at: Timestamp, organization: &str, action: Action, outcome: Outcome) -> Self {
        Self {
            at,
            organization: organization.to_owned(),
            action,
            outcome,
            identity: None,
            actor: "gateway".to_owned(),
            via: Via::Gateway,
            run: None,
            pat: None,
            scope: None,
            lifetime_s: None,
            activity_id: None,
            detail: String::new(),
        }
    }
}
