//! Arguments of control calls, and the list of calls.

use serde_json::Value;

use crate::ado;

/// The calls there are, one line each.
pub(super) const HELP: &str = "\
POST /_fake/push {repository, branch, comment?, commit?}  (commit: of a real repository)
POST /_fake/pull-requests {repository, source, target?, title?, draft?, conflicts?}
POST /_fake/pull-requests/many {repository, count, prefix}
POST /_fake/pull-requests/{id}/{push|force-push|abandon|reactivate|complete|draft|publish} {}
POST /_fake/pull-requests/{id}/{comment|title|retarget} {text}
POST /_fake/pull-requests/{id}/try-complete {}  (if the policies permit it)
POST /_fake/clock {seconds}                     (advances the clock and sends what falls due)
POST /_fake/subscriptions {event_type, project, url, password?, owner?}
POST /_fake/subscriptions/{id}/{disable|enable|give-up|delete} {}
POST /_fake/projects/{name}/{rename|delete} {name?}
POST /_fake/repositories/create {repository}    (project/name, in an existing project)
POST /_fake/organizations {name, project}
POST /_fake/repositories/{rename|disable|enable|delete} {repository, name?}
POST /_fake/identities/{user}/deactivate {}     POST /_fake/policies/{id}/delete {}
POST /_fake/identities/{user}/{deny|allow} {permission, repository?}  (GenericRead, …)
POST /_fake/ci {behaviour, check?, next?}
POST /_fake/entra/{sign-in|revoke} {user}       POST /_fake/entra/sign-out {}
POST /_fake/entra/users {user, name?}           POST /_fake/entra/users/{user} {trouble?, consent?}
POST /_fake/entra/token-error {number, error?, status?, count?}
POST /_fake/entra/heal {}                       POST /_fake/entra/forge {how}
POST /_fake/pats/error {error, count?}          POST /_fake/pats/{id}/revoke {}
POST /_fake/pats/rules {delay_ms?, signed_in?, single_use?}
GET  /_fake/{pats|violations|entra|token-calls}
GET  /_fake/{pull-requests|subscriptions|notifications|lost|policies|runs|journal}
GET  /_fake/unfiltered-lists
GET  /_fake/pull-requests/{id}/statuses   GET /_fake/commits/{sha}/statuses
GET  /_fake/{journal|statuses}/{from}            GET /_fake/pats/count
";

/// The JSON of an answer, or what is wrong with the call.
pub(super) type Reply = Result<Value, String>;

/// A required text.
pub(super) fn text<'a>(body: &'a Value, key: &str) -> Result<&'a str, String> {
    body.get(key).and_then(Value::as_str).ok_or_else(|| format!("{key} is missing"))
}

/// A switch; off where it is not given.
pub(super) fn flag(body: &Value, key: &str) -> bool {
    body.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// The GUID of the repository that is given as `project/name`.
pub(super) fn repository(ado: &ado::World, body: &Value) -> Result<String, String> {
    let path = text(body, "repository")?;
    let found = ado.find_repository(path).map(|one| one.id.clone());
    found.ok_or_else(|| format!("there is no repository {path} (project/name)"))
}

/// The number of a pull request that exists.
pub(super) fn pull_request(ado: &ado::World, id: &str) -> Result<u64, String> {
    let number = id.parse().ok();
    let known = number.filter(|id| ado.pull_requests().any(|one| one.id == *id));
    known.ok_or_else(|| format!("there is no pull request {id}"))
}
