//! One step of a plan for policies: what is done, where and why.

use std::fmt;

use super::found::Settings;

/// What kind of step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Addition,
    Change,
    Removal,
    /// Nothing is done; a person should know of it.
    Report,
}

impl Kind {
    /// The word in answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Addition => "add",
            Kind::Change => "change",
            Kind::Removal => "remove",
            Kind::Report => "leave",
        }
    }
}

/// One field that differs from the desired one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub field: &'static str,
    pub from: String,
    pub to: String,
}

/// The call to Azure DevOps. Policies are named by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Create(Settings),
    Replace(i64, Settings),
    Delete(i64),
    Nothing,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub kind: Kind,
    /// The number of the policy, where it exists already.
    pub policy: Option<i64>,
    pub project_id: String,
    pub project: String,
    /// None where it is about every repository of the project, or about one that is not visible.
    pub repository: Option<String>,
    pub branches: String,
    /// `genre/name`.
    pub context: String,
    pub changes: Vec<Change>,
    /// A sentence without its full stop.
    pub reason: String,
    pub action: Action,
}

impl Step {
    /// `ci/unit-tests for web main`.
    pub fn what(&self) -> String {
        let repository = self.repository.as_deref().unwrap_or("*");
        format!("{} for {repository} {}", self.context, self.branches)
    }

    /// `Fabrikam/web main`.
    pub fn target(&self) -> String {
        let repository = self.repository.as_deref().unwrap_or("*");
        format!("{}/{repository} {}", self.project, self.branches)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} at {}", self.kind.as_str(), self.context, self.target())?;
        for Change { field, from, to } in &self.changes {
            write!(out, ", {field}: {from} -> {to}")?;
        }
        write!(out, ": {}", self.reason)
    }
}
