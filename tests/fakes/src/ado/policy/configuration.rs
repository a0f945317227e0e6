//! Branch policies, and what they think of a pull request (docs/azure-devops.md §5).
//!
//! Only the status policy is judged; others are stored and shown. A policy that resets on new
//! changes accepts only a status on the newest iteration. Nothing here knows HTTP.

use serde_json::Value;

use crate::ado::model::Status;

/// The type of the status policy; the same GUID everywhere (docs/azure-devops.md §5).
pub const STATUS_POLICY: &str = "cbdc66da-9728-4af8-aada-9a5a32e4a226";

/// A policy configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Number.
    pub id: u64,
    /// GUID of its project.
    pub project: String,
    /// How often it was changed, from one.
    pub revision: u64,
    /// GUID of its type.
    pub policy_type: String,
    /// Whether it applies at all.
    pub is_enabled: bool,
    /// Whether it keeps pull requests from being completed.
    pub is_blocking: bool,
    /// Settings as given, with their defaults.
    pub settings: Value,
    /// GUID of who created it.
    pub created_by: String,
    /// When it was created.
    pub created_ms: i64,
}

/// What a policy thinks of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvaluationStatus {
    /// It waits.
    Queued,
    /// It is content.
    Approved,
    /// It is not.
    Rejected,
    /// It does not apply.
    NotApplicable,
}

impl EvaluationStatus {
    /// The word on the wire.
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

    /// Whether one of its scopes lies in a repository, or in all of them when none is given.
    pub(crate) fn is_about_repository(&self, repository: Option<&str>) -> bool {
        self.scopes().any(|scope| match (repository_of(scope), repository) {
            (None, _) => true,
            (Some(id), Some(repository)) => id.eq_ignore_ascii_case(repository),
            (Some(_), None) => false,
        })
    }

    /// Whether a branch lies in one of its scopes.
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

/// The GUID of the repository that a scope names; none means every one of the project.
pub(crate) fn repository_of(scope: &Value) -> Option<&str> {
    scope.get("repositoryId").and_then(Value::as_str)
}
