//! Pipelines, what their YAML declares, and what a build has besides what every build has.
//!
//! Plain values. Tests change them; requests only add builds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::systems::Builds;

/// The template parameter in which the gateway sends its run id.
pub(super) const RUN_PARAMETER: &str = "azdo_gateway_run";

/// Whether a pipeline takes builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueStatus {
    /// It does.
    Enabled,
    /// Builds are queued and wait.
    Paused,
    /// Each start is refused.
    Disabled,
}

impl QueueStatus {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

/// What a template parameter takes. All values are sent as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// Any text.
    String,
    /// A number.
    Number,
    /// `true` or `false`, in any case.
    Boolean,
}

/// A parameter that the YAML declares.
#[derive(Debug, Clone)]
pub struct TemplateParameter {
    /// Its name, compared without case.
    pub name: String,
    /// What it takes.
    pub kind: ParameterKind,
    /// The value where none is sent; without one, a value has to be sent.
    pub default: Option<String>,
    /// The only values that it takes; empty for any.
    pub values: Vec<String>,
}

impl TemplateParameter {
    /// A parameter that takes any text and that may be left out.
    pub fn optional(name: &str) -> Self {
        let default = Some(String::new());
        Self { name: name.to_owned(), kind: ParameterKind::String, default, values: Vec::new() }
    }

    /// A parameter that takes any text and that has to be sent.
    pub fn required(name: &str) -> Self {
        Self { default: None, ..Self::optional(name) }
    }
}

/// A pipeline, which is a build definition too.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Number.
    pub id: u64,
    /// Name as shown.
    pub name: String,
    /// GUID of the repository that has its YAML.
    pub repository: String,
    /// Whether it takes builds.
    pub queue_status: QueueStatus,
    /// What its YAML declares on refs that have no other.
    pub parameters: Vec<TemplateParameter>,
    /// What its YAML declares on the ref of that full name; none where the file is missing there.
    pub parameters_at: BTreeMap<String, Option<Vec<TemplateParameter>>>,
    /// Names of the variables that may be set when a run is started.
    pub settable_variables: Vec<String>,
    /// What is wrong with it, so that each start is refused: a resource that it may not use, no
    /// pool.
    pub problems: Vec<String>,
    pub(crate) builds: Builds,
    pub(crate) records: BTreeMap<u64, Record>,
    /// Builds whose completion was not announced.
    pub(crate) open: BTreeSet<u64>,
    /// GUID of the identity that created it.
    pub(crate) by: String,
    pub(crate) created_ms: i64,
}

impl Pipeline {
    /// What the YAML declares on a ref; none where the file is missing.
    pub(super) fn declared_at(&self, git_ref: &str) -> Option<&[TemplateParameter]> {
        match self.parameters_at.get(git_ref) {
            Some(own) => own.as_deref(),
            None => Some(&self.parameters),
        }
    }
}

/// What a build shows in place of what its state says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It waits for something that a person does.
    Postponed,
    /// It has failed in parts.
    PartiallySucceeded,
    /// It has completed without a result.
    NoResult,
}

/// A variable that was set when a run was started.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) value: String,
    pub(crate) is_secret: bool,
}

/// What a build has besides what every build has.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) build_number: String,
    /// The commit that is built.
    pub(crate) commit: String,
    pub(crate) variables: BTreeMap<String, Variable>,
    /// GUID of the identity that started it.
    pub(crate) by: String,
    pub(crate) plan: String,
    pub(crate) tags: Vec<String>,
    pub(crate) shown: Option<Shown>,
    pub(crate) started_ms: Option<i64>,
    pub(crate) finished_ms: Option<i64>,
    pub(crate) changed_ms: i64,
    /// Why it could not run.
    pub(crate) problems: Vec<String>,
}

/// A run, once it was found that it may be started.
#[derive(Debug, Clone)]
pub(super) struct WantedRun {
    pub(super) git_ref: String,
    /// The commit that was asked for; empty where none was.
    pub(super) version: String,
    /// The commit that is built.
    pub(super) commit: String,
    pub(super) parameters: Map<String, Value>,
    pub(super) variables: BTreeMap<String, Variable>,
    pub(super) is_preview: bool,
    pub(super) yaml_override: Option<String>,
}
