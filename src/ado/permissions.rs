//! Connection data, permission evaluation and granting of permissions (docs/azure-devops.md §7).
//!
//! An administrator of Azure DevOps may do everything without being granted it. Permissions of the
//! gateway's identity are evaluated without these rights: what is missing is then reported even
//! while the identity is an administrator.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Call, Host};
use super::{Client, Credential, Error};
use crate::domain::event::Repository;
use crate::domain::permission::{CONTRIBUTE, Grant, Identity, Needed};

/// `connectionData` exists as a preview version only.
const CONNECTION_VERSION: &str = "7.1-preview";
/// Evaluations in one call, at most.
pub const EVALUATIONS_MAX: usize = 100;
/// An object id that no commit has.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// The identity that a credential belongs to, and the kind of deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub identity: Identity,
    /// Azure DevOps Server instead of Services.
    pub is_server: bool,
}

impl Client {
    /// Who the credential belongs to.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn connection(&self, credential: Credential) -> Result<Connection, Error> {
        let call = Call {
            query: &[("connectOptions", "none")],
            api_version: CONNECTION_VERSION,
            ..Call::new(Method::GET, &["_apis", "connectionData"])
        };
        let answer = self.call(credential, call).await?;
        let identity = answer.get("authenticatedUser").and_then(identity);
        let identity =
            identity.ok_or_else(|| unreadable("which identity the credential belongs to"))?;
        // Organizations with public projects answer an unknown credential as an anonymous user.
        if identity.descriptor.as_ref().is_some_and(|name| name.starts_with("System:Public")) {
            let reason = "it treats the credential as an anonymous user".into();
            return Err(Error::Unauthorized { reason });
        }
        let deployment = text(&answer, "/deploymentType").unwrap_or_default();
        Ok(Connection { identity, is_server: deployment.eq_ignore_ascii_case("onPremises") })
    }

    /// Whether the identity has each needed permission, in the order asked; at most
    /// [`EVALUATIONS_MAX`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn has(&self, credential: Credential, needed: &[Needed]) -> Result<Vec<bool>, Error> {
        self.evaluate(credential, needed, false).await
    }

    /// Whether the caller may contribute to a repository, as an administrator or otherwise.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn caller_may_contribute(
        &self,
        credential: Credential,
        repository: &Repository,
    ) -> Result<bool, Error> {
        let needed = [Needed::in_repository(&CONTRIBUTE, repository)];
        let answers = self.evaluate(credential, &needed, true).await?;
        Ok(answers.first().is_some_and(|may| *may))
    }

    async fn evaluate(
        &self,
        credential: Credential,
        needed: &[Needed],
        administrators_may: bool,
    ) -> Result<Vec<bool>, Error> {
        let evaluation = |one: &Needed| {
            json!({
                "securityNamespaceId": one.permission.namespace,
                "token": one.token,
                "permissions": one.permission.bit,
            })
        };
        let evaluations: Vec<Value> = needed.iter().map(evaluation).collect();
        let body = json!({
            "alwaysAllowAdministrators": administrators_may, "evaluations": evaluations,
        });
        let segments = ["_apis", "security", "permissionevaluationbatch"];
        let call = Call { body: Some(body), ..Call::new(Method::POST, &segments) };
        let answer = self.call(credential, call).await?;
        let values = needed.iter().map(|one| value_of(&answer, one));
        values.collect::<Option<_>>().ok_or_else(|| unreadable("every permission asked for"))
    }

    /// Checks the permission to post statuses without posting one: sends an empty status for a
    /// commit that does not exist. Azure DevOps checks the permission before it checks the body.
    ///
    /// # Errors
    /// `Forbidden` when the identity may not post statuses; see [`Error`] for the rest.
    pub async fn probe_statuses(
        &self,
        credential: Credential,
        repository: &Repository,
    ) -> Result<(), Error> {
        let Repository { id, project_id, .. } = repository;
        let git = [project_id, "_apis", "git", "repositories", id];
        let segments = [&git[..], &["commits", NO_COMMIT, "statuses"]].concat();
        let call = Call { body: Some(json!({})), ..Call::new(Method::POST, &segments) };
        match self.call(credential, call).await {
            Ok(_) | Err(Error::NotFound { .. } | Error::Rejected { status: 400, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The descriptor by which access control entries name the identity of this account; none when
    /// no identity, or more than one, has that account name.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn descriptor_of(
        &self,
        credential: Credential,
        account: &str,
    ) -> Result<Option<String>, Error> {
        let query = [("searchFilter", "General"), ("filterValue", account)];
        let call = Call {
            host: Host::Identity,
            query: &query,
            ..Call::new(Method::GET, &["_apis", "identities"])
        };
        let answer = self.call(credential, call).await?;
        let found = answer.get("value").and_then(Value::as_array).into_iter().flatten();
        // The search also returns identities whose names merely begin like the account.
        let is_it = |one: &&Value| {
            ["/properties/Account/$value", "/properties/Mail/$value"].iter().any(|property| {
                text(one, property).is_some_and(|text| text.eq_ignore_ascii_case(account))
            })
        };
        let mut descriptors = found.filter(is_it).filter_map(|one| text(one, "/descriptor"));
        let first = descriptors.next();
        // With two identities of that name it is not known which one is meant.
        Ok(first.filter(|_| descriptors.next().is_none()))
    }

    /// Adds the bits of `grant` to what the identity is allowed already.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn allow(
        &self,
        credential: Credential,
        grant: &Grant,
        descriptor: &str,
    ) -> Result<(), Error> {
        let entry = json!({
            "descriptor": descriptor, "allow": grant.bits, "deny": 0, "extendedinfo": {},
        });
        let body = json!({
            "token": grant.token, "merge": true, "accessControlEntries": [entry],
        });
        let segments = ["_apis", "accesscontrolentries", &grant.namespace];
        let call = Call { body: Some(body), ..Call::new(Method::POST, &segments) };
        self.call(credential, call).await.map(drop)
    }
}

pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn identity(user: &Value) -> Option<Identity> {
    let account = text(user, "/properties/Account/$value");
    Some(Identity {
        id: text(user, "/id")?,
        descriptor: text(user, "/descriptor"),
        subject_descriptor: text(user, "/subjectDescriptor"),
        display_name: text(user, "/providerDisplayName").or(account.clone()).unwrap_or_default(),
        account,
    })
}

/// The value of the evaluation that was asked for. It is found by its keys, since the order of the
/// answers is not documented; tokens compare without case.
fn value_of(answer: &Value, asked: &Needed) -> Option<bool> {
    let same = |one: &&Value, key: &str, wanted: &str| {
        one.get(key).and_then(Value::as_str).is_some_and(|found| found.eq_ignore_ascii_case(wanted))
    };
    let is_it = |one: &&Value| {
        same(one, "securityNamespaceId", asked.permission.namespace)
            && same(one, "token", &asked.token)
            && one.get("permissions").and_then(Value::as_u64) == Some(asked.permission.bit.into())
    };
    answer.get("evaluations")?.as_array()?.iter().find(is_it)?.get("value")?.as_bool()
}

fn unreadable(about: &str) -> Error {
    let reason = format!("its answer does not say {about}");
    Error::Unavailable { reason, doubtful: false, retry_after: None }
}

#[cfg(test)]
#[path = "permissions_tests.rs"]
mod tests;
