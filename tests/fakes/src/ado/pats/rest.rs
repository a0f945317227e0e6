//! The PAT lifecycle API over REST (docs/azure-devops.md §4.1).
//!
//! It exists in preview only and is for people with a bearer token. Any other caller is refused
//! before the rest of the request is looked at.

use serde_json::{Value, json};

use super::minting::PatSettings;
use super::pat::{Pat, PatState};
use crate::ado::rest::refusal::{
    bad_request, method_not_allowed, not_found, page_not_found, redirected_to_sign_in,
    scope_missing, signed_out, unauthorized,
};
use crate::ado::rest::render::put;
use crate::ado::rest::route::{Reply, json_body};
use crate::ado::rest::version;
use crate::ado::security::authentication::presented;
use crate::ado::security::identity::{AuthenticationError, Caller, CredentialKind};
use crate::ado::security::scope::Scope;
use crate::ado::world::World;
use crate::http::{Request, Response};
use crate::timestamp::rfc3339;

const VERSIONS: [&str; 2] = ["7.1-preview.1", "7.2-preview.1"];
const LARGEST_PAGE: usize = 100;

impl World {
    /// Everything below `_apis/tokens`.
    pub(in crate::ado) fn pats_call(
        &mut self,
        request: &Request,
        organization: &str,
        tail: &[String],
    ) -> Reply {
        let caller = self.person(request, organization)?;
        if tail != ["pats"] {
            return Err(page_not_found());
        }
        let asked = version::check_one_of(request, self.options.newest_api_version, &VERSIONS)?;
        let needed: &[Scope] = match request.method.as_str() {
            "GET" => &[Scope::Pats],
            "POST" => &[Scope::Pats, Scope::PatsManage],
            _ => &[Scope::PatsManage],
        };
        if !needed.iter().all(|scope| caller.holds_any(&[*scope])) {
            return Err(scope_missing());
        }
        let owner = caller.identity;
        let answer = match request.method.as_str() {
            "POST" => self.create_pat(request, organization, owner)?,
            "PUT" => self.update_pat(request, &owner)?,
            "DELETE" => {
                let index = self.own_pat(request.query("authorizationId"), &owner)?;
                let now_ms = self.now_ms;
                if let Some(pat) = self.pats.all.get_mut(index) {
                    pat.revoked_at_ms.get_or_insert(now_ms);
                }
                return Ok(Response::empty(204));
            }
            "GET" if request.query("authorizationId").is_some() => {
                let index = self.own_pat(request.query("authorizationId"), &owner)?;
                self.result(index, false)
            }
            "GET" => return self.list_pats(request, organization, &owner),
            other => return Err(method_not_allowed(other)),
        };
        Ok(Response::json(200, &worded(answer, &asked)))
    }

    /// The calling person; any other caller is refused (docs/azure-devops.md §4.1).
    fn person(&self, request: &Request, organization: &str) -> Result<Caller, Response> {
        let wants_401 = request.header("x-tfs-fedauthredirect") == Some("Suppress");
        let plain = || unauthorized("TF400813: The user is not authorized.");
        if presented(request).is_some_and(|(is_bearer, _)| !is_bearer) {
            return Err(plain());
        }
        match self.caller(request, organization) {
            Ok(caller) if caller.kind == CredentialKind::User => Ok(caller),
            Err(AuthenticationError::NotAuthorized) => Err(plain()),
            _ if wants_401 => Err(plain()),
            Ok(_) => Err(redirected_to_sign_in()),
            Err(AuthenticationError::InvalidToken) => Err(signed_out(&request.method)),
        }
    }

    fn create_pat(
        &mut self,
        request: &Request,
        organization: &str,
        identity: String,
    ) -> Result<Value, Response> {
        let body = checked(json_body(request, &["application/json"])?)?;
        if let Some(error) = self.next_scripted_error() {
            return Ok(failure(&error));
        }
        if !self.pat_rules.allows_creation {
            return Ok(failure("disablePatCreationPolicyViolation"));
        }
        let settings = match self.settings(&body, PatSettings::none()) {
            Ok(settings) => settings,
            Err(error) => return Ok(failure(error)),
        };
        let pat = Pat {
            authorization_id: self.random.guid(),
            secret: self.new_secret(),
            identity,
            organization: organization.to_owned(),
            display_name: settings.display_name,
            scope: settings.scope,
            all_orgs: settings.all_orgs,
            valid_from_ms: self.now_ms,
            valid_to_ms: settings.valid_to_ms,
            revoked_at_ms: None,
            used: 0,
            refused_uses: 0,
        };
        self.check_settings(&pat);
        self.pats.by_secret.insert(pat.secret.clone(), self.pats.all.len());
        self.pats.all.push(pat);
        Ok(self.result(self.pats.all.len() - 1, true))
    }

    fn update_pat(&mut self, request: &Request, owner: &str) -> Result<Value, Response> {
        let body = checked(json_body(request, &["application/json"])?)?;
        let id = body.get("authorizationId").and_then(Value::as_str);
        let index = self.own_pat(id, owner)?;
        let Some(old) = self.pats.all.get(index).cloned() else { return Ok(failure("none")) };
        if old.state(self.now_ms) != PatState::Active {
            return Ok(failure("expiredPatCannotBeExtended"));
        }
        let settings = match self.settings(&body, PatSettings::of(&old)) {
            Ok(settings) => settings,
            Err(error) => return Ok(failure(error)),
        };
        let changed = Pat {
            display_name: settings.display_name,
            scope: settings.scope,
            all_orgs: settings.all_orgs,
            valid_to_ms: settings.valid_to_ms,
            ..old
        };
        self.check_settings(&changed);
        if let Some(pat) = self.pats.all.get_mut(index) {
            *pat = changed;
        }
        Ok(self.result(index, false))
    }

    fn next_scripted_error(&mut self) -> Option<String> {
        let (error, left) = self.pats.scripted_error.as_mut()?;
        let error = error.clone();
        *left = left.checked_sub(1)?;
        Some(error)
    }

    fn own_pat(&self, id: Option<&str>, owner: &str) -> Result<usize, Response> {
        let id = id.ok_or_else(|| bad_request("authorizationId is missing."))?;
        let found = self.pats.all.iter().rposition(|pat| {
            pat.authorization_id.eq_ignore_ascii_case(id) && pat.identity == owner
        });
        found.ok_or_else(|| {
            not_found("TokenNotFoundException", &format!("There is no authorization {id}."))
        })
    }

    fn result(&self, index: usize, with_secret: bool) -> Value {
        let pat = self.pats.all.get(index).map(|pat| self.pat_json(pat, with_secret));
        json!({"patToken": pat, "patTokenError": "none"})
    }

    fn pat_json(&self, pat: &Pat, with_secret: bool) -> Value {
        let account = &self.organization(&pat.organization).id;
        let accounts = if pat.all_orgs { Value::Null } else { json!([account]) };
        json!({
            "displayName": pat.display_name,
            "validTo": rfc3339(pat.valid_to_ms),
            "scope": pat.scope,
            "targetAccounts": accounts,
            "validFrom": rfc3339(pat.valid_from_ms),
            "authorizationId": pat.authorization_id,
            "token": if with_secret { json!(pat.secret) } else { Value::Null },
        })
    }

    /// Lists the PATs that were created in this organization, as the specification says.
    fn list_pats(&self, request: &Request, organization: &str, owner: &str) -> Reply {
        let filter = request.query("displayFilterOption").unwrap_or("active").to_ascii_lowercase();
        let wanted = match filter.as_str() {
            "active" => Some(PatState::Active),
            "revoked" => Some(PatState::Revoked),
            "expired" => Some(PatState::Expired),
            "all" => None,
            other => return Err(bad_request(&format!("There is no displayFilterOption {other}."))),
        };
        let top = match request.query("$top").map(str::parse::<usize>) {
            None => LARGEST_PAGE,
            Some(Ok(top)) if (1..=LARGEST_PAGE).contains(&top) => top,
            Some(_) => return Err(bad_request("$top must be between 1 and 100.")),
        };
        let here = |pat: &&Pat| pat.identity == owner && pat.organization == organization;
        let mut all: Vec<_> = self.pats.all.iter().filter(here).collect();
        match request.query("sortByOption").unwrap_or("displayDate").to_ascii_lowercase().as_str() {
            "displayname" => all.sort_by(|one, other| one.display_name.cmp(&other.display_name)),
            "displaydate" => all.sort_by_key(|pat| pat.valid_to_ms),
            "status" => all.sort_by_key(|pat| pat.state(self.now_ms)),
            other => return Err(bad_request(&format!("There is no sortByOption {other}."))),
        }
        if request.query("isSortAscending").is_some_and(|it| it.eq_ignore_ascii_case("false")) {
            all.reverse();
        }
        let skipped = skipped(request, &filter, &all)?;
        let fits = |pat: &&&Pat| wanted.is_none_or(|wanted| pat.state(self.now_ms) == wanted);
        let mut rest = all.iter().skip(skipped).filter(fits);
        let page: Vec<_> = rest.by_ref().take(top).collect();
        let last = page.last().filter(|_| rest.next().is_some());
        let token = last.map(|pat| format!("{filter}:{}", pat.authorization_id));
        let values: Vec<_> = page.iter().map(|pat| self.pat_json(pat, false)).collect();
        let body = json!({"continuationToken": token.unwrap_or_default(), "patTokens": values});
        Ok(Response::json(200, &body))
    }
}

/// How many PATs were on the pages before. A continuation token of another filter is refused.
fn skipped(request: &Request, filter: &str, all: &[&Pat]) -> Result<usize, Response> {
    let Some(token) = request.query("continuationToken").filter(|token| !token.is_empty()) else {
        return Ok(0);
    };
    let id = token.strip_prefix(filter).and_then(|rest| rest.strip_prefix(':'));
    let index = id.and_then(|id| all.iter().position(|pat| pat.authorization_id == id));
    let index =
        index.ok_or_else(|| bad_request("The continuationToken does not belong to this list."))?;
    Ok(index + 1)
}

/// Refuses properties of the wrong type, before any policy applies.
fn checked(body: Value) -> Result<Value, Response> {
    let given = |key: &str| body.get(key).filter(|value| !value.is_null());
    let is_text = |key: &&str| given(key).is_none_or(Value::is_string);
    let texts = ["displayName", "scope", "validTo", "authorizationId"];
    let is_good = body.is_object() && texts.iter().all(is_text);
    if is_good && given("allOrgs").is_none_or(Value::is_boolean) {
        return Ok(body);
    }
    Err(bad_request("The body is not that of a personal access token."))
}

fn failure(error: &str) -> Value {
    json!({"patToken": null, "patTokenError": error})
}

/// Adds a sentence to a refusal, which only the newer version has.
fn worded(mut answer: Value, version: &str) -> Value {
    let error = answer.get("patTokenError").and_then(Value::as_str).unwrap_or_default().to_owned();
    if version.starts_with("7.2") && error != "none" {
        put(&mut answer, "patTokenErrorMessage", json!(format!("Refused: {error}.")));
    }
    answer
}
