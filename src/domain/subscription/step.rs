//! One step of a plan for subscriptions: what is done and why.

use super::found::OwnedHook;
use super::hook_scope::HookScope;

/// What kind of step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Addition,
    Change,
    Healing,
    Removal,
    /// Something must happen first, without anybody's help.
    Wait,
    /// Nothing is done; a person should know of it.
    Report,
}

impl Kind {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Addition => "add",
            Kind::Change => "change",
            Kind::Healing => "heal",
            Kind::Removal => "remove",
            Kind::Wait => "wait",
            Kind::Report => "leave",
        }
    }
}

/// One setting that differs from the desired one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub field: String,
    pub from: String,
    pub to: String,
}

/// The call to Azure DevOps. `id` is that of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create the desired one.
    Create,
    /// Increment the secret generation, and create the desired one with the new secret.
    Renew,
    /// Replace this one by the desired one.
    Change {
        id: String,
        changes: Vec<Change>,
    },
    /// Have a test notification delivered.
    Test {
        id: String,
    },
    Remove {
        id: String,
    },
    Nothing,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub kind: Kind,
    pub action: Action,
    /// None where it is about a subscription that covers the whole organization.
    pub hook_scope: Option<HookScope>,
    /// The subscription that it is about, where there is one.
    pub id: Option<String>,
    /// A sentence without its full stop.
    pub reason: String,
}

impl Step {
    /// Whether it is not left to a person.
    pub fn is_due(&self) -> bool {
        self.kind != Kind::Report
    }

    pub(super) fn of(one: &OwnedHook, kind: Kind, action: Action, reason: String) -> Self {
        let (hook_scope, id) = (one.found.hook_scope(), Some(one.found.id.clone()));
        Self { kind, action, hook_scope, id, reason }
    }

    pub(super) fn removal(one: &OwnedHook, reason: String) -> Self {
        Self::of(one, Kind::Removal, Action::Remove { id: one.found.id.clone() }, reason)
    }

    pub(super) fn report(one: &OwnedHook, reason: &str) -> Self {
        Self::of(one, Kind::Report, Action::Nothing, reason.to_owned())
    }
}
