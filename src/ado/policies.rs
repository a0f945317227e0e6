//! The status policies of branches: listed, created, replaced, deleted (docs/azure-devops.md §5).
//!
//! They are listed by project and type. The filter by scope is not used: its format is not
//! documented, and it leaves out policies that cover a branch by a prefix.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Call;
use super::{Client, Credential, Error};
use crate::domain::policy::{Branches, Found, Scope, Settings};
use crate::domain::status::Context;

/// The type id of status policies, equal in every organization.
const STATUS_POLICY: &str = "cbdc66da-9728-4af8-aada-9a5a32e4a226";
const PER_PAGE: &str = "500";
/// `policyApplicability` of a policy that applies only after a first status was posted.
const CONDITIONAL: u64 = 1;

/// One page of policies, and the token of the next page.
pub type PolicyPage = (Vec<Found>, Option<String>);

#[derive(Deserialize)]
struct List {
    value: Vec<WirePolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePolicy {
    id: i64,
    is_enabled: bool,
    is_blocking: bool,
    #[serde(default)]
    is_deleted: bool,
    #[serde(rename = "type")]
    of_type: WireType,
    #[serde(default)]
    created_by: Option<WireIdentity>,
    settings: WireSettings,
}

#[derive(Deserialize)]
struct WireType {
    id: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireIdentity {
    id: String,
    display_name: String,
}

/// Absent and null mean the same in every field.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireSettings {
    status_genre: Option<String>,
    status_name: Option<String>,
    author_id: Option<String>,
    invalidate_on_source_update: Option<bool>,
    policy_applicability: Value,
    default_display_name: Option<String>,
    filename_patterns: Option<Vec<String>>,
    scope: Option<Vec<WireScope>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireScope {
    repository_id: Option<String>,
    ref_name: Option<String>,
    match_kind: Option<String>,
}

impl Client {
    /// A page of the status policies of a project; `after` is the token of the page before.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn policies(
        &self,
        credential: Credential,
        project: &str,
        after: Option<&str>,
    ) -> Result<PolicyPage, Error> {
        let mut query = vec![("policyType", STATUS_POLICY), ("$top", PER_PAGE)];
        query.extend(after.map(|after| ("continuationToken", after)));
        let segments = [project, "_apis", "policy", "configurations"];
        let call = Call { query: &query, ..Call::new(Method::GET, &segments) };
        let (answer, next) = self.call_page(credential, call).await?;
        let list = List::deserialize(answer).map_err(|error| unreadable("policies", &error))?;
        // The server may ignore the filter by type.
        let is_status = |policy: &WirePolicy| policy.of_type.id.eq_ignore_ascii_case(STATUS_POLICY);
        let there = list.value.into_iter().filter(|one| is_status(one) && !one.is_deleted);
        Ok((there.map(|policy| found(policy, project)).collect(), next))
    }

    /// Creates a policy; returns its id.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_policy(
        &self,
        credential: Credential,
        project: &str,
        settings: &Settings,
    ) -> Result<i64, Error> {
        let segments = [project, "_apis", "policy", "configurations"];
        let call = Call { body: Some(body(settings)), ..Call::new(Method::POST, &segments) };
        let answer = self.call(credential, call).await?;
        // The policy exists even where the answer is unreadable: the next snapshot finds it.
        answer.get("id").and_then(Value::as_i64).ok_or_else(|| Error::Unavailable {
            reason: "the answer has no id of the new policy".into(),
            doubtful: true,
            retry_after: None,
        })
    }

    /// Replaces all settings of a policy.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn replace_policy(
        &self,
        credential: Credential,
        project: &str,
        id: i64,
        settings: &Settings,
    ) -> Result<(), Error> {
        let id = id.to_string();
        let segments = [project, "_apis", "policy", "configurations", &id];
        let call = Call { body: Some(body(settings)), ..Call::new(Method::PUT, &segments) };
        self.call(credential, call).await.map(drop)
    }

    /// Deletes a policy; one that does not exist any more counts as deleted.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_policy(
        &self,
        credential: Credential,
        project: &str,
        id: i64,
    ) -> Result<(), Error> {
        let id = id.to_string();
        let segments = [project, "_apis", "policy", "configurations", &id];
        match self.call(credential, Call::new(Method::DELETE, &segments)).await {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn found(policy: WirePolicy, project: &str) -> Found {
    let WirePolicy { id, is_enabled, is_blocking, created_by, settings, .. } = policy;
    let created_by = created_by.unwrap_or_default();
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    Found {
        id,
        project_id: project.to_lowercase(),
        created_by: created_by.id.to_lowercase(),
        creator: created_by.display_name,
        settings: Settings {
            is_enabled,
            is_blocking,
            context: Context {
                genre: settings.status_genre.unwrap_or_default(),
                name: settings.status_name.unwrap_or_default(),
            },
            author_id: given(settings.author_id).map(|id| id.to_lowercase()),
            resets_on_push: settings.invalidate_on_source_update.unwrap_or(false),
            is_conditional: is_conditional(&settings.policy_applicability),
            display_name: settings.default_display_name.unwrap_or_default(),
            file_patterns: settings.filename_patterns.unwrap_or_default(),
            scopes: settings.scope.unwrap_or_default().into_iter().map(scope).collect(),
        },
    }
}

fn is_conditional(applicability: &Value) -> bool {
    applicability.as_u64() == Some(CONDITIONAL)
        || applicability.as_str().is_some_and(|word| word.eq_ignore_ascii_case("conditional"))
}

fn scope(scope: WireScope) -> Scope {
    let name = scope.ref_name.unwrap_or_default();
    let kind = scope.match_kind.unwrap_or_else(|| "exact".to_owned());
    let branches = match kind.to_ascii_lowercase().as_str() {
        "exact" => Branches::Exact(name),
        "prefix" => Branches::Prefix(name),
        "defaultbranch" => Branches::Default,
        _ => Branches::Unknown(kind),
    };
    let repository_id = scope.repository_id.filter(|id| !id.is_empty());
    Scope { repository_id: repository_id.map(|id| id.to_lowercase()), branches }
}

fn body(settings: &Settings) -> Value {
    let scope = |scope: &Scope| {
        let (name, kind) = match &scope.branches {
            Branches::Exact(name) => (Some(name), "exact"),
            Branches::Prefix(begin) => (Some(begin), "prefix"),
            Branches::Default => (None, "DefaultBranch"),
            Branches::Unknown(kind) => (None, kind.as_str()),
        };
        json!({ "repositoryId": scope.repository_id, "refName": name, "matchKind": kind })
    };
    let scopes: Vec<Value> = settings.scopes.iter().map(scope).collect();
    json!({
        "isEnabled": settings.is_enabled,
        "isBlocking": settings.is_blocking,
        "type": { "id": STATUS_POLICY },
        "settings": {
            "statusGenre": settings.context.genre,
            "statusName": settings.context.name,
            "authorId": settings.author_id,
            "invalidateOnSourceUpdate": settings.resets_on_push,
            "policyApplicability": settings.is_conditional.then_some(CONDITIONAL),
            "defaultDisplayName": settings.display_name,
            "filenamePatterns": settings.file_patterns,
            "scope": scopes,
        },
    })
}

fn unreadable(what: &str, error: &serde_json::Error) -> Error {
    Error::Unavailable {
        reason: format!("the answer is no list of {what} ({error})"),
        doubtful: false,
        retry_after: None,
    }
}

#[cfg(test)]
#[path = "policies_tests.rs"]
mod tests;
