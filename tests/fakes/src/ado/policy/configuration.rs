//! A branch policy and its settings (docs/azure-devops.md §5).
//!
//! Plain values. What a policy evaluates to is decided in `evaluation`.

use serde_json::Value;

use crate::ado::model::Status;

/// The type of the status policy. The GUID is the same in every organization
/// (docs/azure-devops.md §5).
pub const STATUS_POLICY: &str = "cbdc66da-9728-4af8-aada-9a5a32e4a226";

/// A policy configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Number.
    pub id: u64,
    /// GUID of its project.
    pub project: String,
    /// Number of its last change, from one.
    pub revision: u64,
    /// GUID of its type.
    pub policy_type: String,
    /// Whether it is evaluated.
    pub is_enabled: bool,
    /// Whether it keeps pull requests from being completed.
    pub is_blocking: bool,
    /// Settings as configured, with defaults added.
    pub settings: Value,
    /// GUID of the identity that created it.
    pub created_by: String,
    /// When it was created.
    pub created_ms: i64,
}

/// What a policy evaluates to for a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvaluationStatus {
    /// It waits for a status.
    Queued,
    /// It is satisfied.
    Approved,
    /// It is violated.
    Rejected,
    /// It does not apply.
    NotApplicable,
}

impl EvaluationStatus {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::NotApplicable => "notApplicable",
        }
    }
}

impl Policy {
    pub(super) fn text(&self, key: &str) -> &str {
        self.settings.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn resets_on_push(&self) -> bool {
        self.settings.get("invalidateOnSourceUpdate").and_then(Value::as_bool) == Some(true)
    }

    pub(super) fn is_conditional(&self) -> bool {
        self.settings.get("policyApplicability").and_then(Value::as_u64) == Some(1)
    }

    pub(super) fn is_about(&self, status: &Status) -> bool {
        self.text("statusName").eq_ignore_ascii_case(&status.name)
            && self.text("statusGenre").eq_ignore_ascii_case(&status.genre)
    }

    /// Its scopes.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &Value> {
        self.settings.get("scope").and_then(Value::as_array).into_iter().flatten()
    }

    /// Whether one of its scopes includes a repository; without one, whether a scope includes the
    /// whole project.
    pub(crate) fn is_about_repository(&self, repository: Option<&str>) -> bool {
        self.scopes().any(|scope| match (repository_of(scope), repository) {
            (None, _) => true,
            (Some(id), Some(repository)) => id.eq_ignore_ascii_case(repository),
            (Some(_), None) => false,
        })
    }

    /// Whether one of its scopes includes a branch.
    pub(crate) fn covers(&self, repository: &str, branch: &str, default: Option<&str>) -> bool {
        self.scopes().any(|scope| {
            let text = |key: &str| scope.get(key).and_then(Value::as_str);
            let here = repository_of(scope).is_none_or(|id| id.eq_ignore_ascii_case(repository));
            let name = text("refName").unwrap_or_default();
            let kind = text("matchKind").unwrap_or("exact").to_ascii_lowercase();
            here && match kind.as_str() {
                "prefix" => branch.starts_with(name),
                "defaultbranch" => Some(branch) == default,
                _ => branch == name,
            }
        })
    }
}

/// The GUID of the repository that a scope names; none where it includes all of the project.
pub(crate) fn repository_of(scope: &Value) -> Option<&str> {
    scope.get("repositoryId").and_then(Value::as_str)
}
