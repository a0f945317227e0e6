//! From a request to the code that answers it.
//!
//! The checks have the order that ADO has: the token, the path, the api-version, the scope, the
//! permission. The last two are left to the code that answers.

use std::cell::RefCell;

use serde_json::Value;

use crate::ado::rest::refusal::{
    bad_protocol, bad_request, page_not_found, project_unknown, scope_missing, signed_out,
    unauthorized,
};
use crate::ado::security::identity::{AuthenticationError, Caller};
use crate::ado::security::permission::Permission;
use crate::ado::security::scope::Scope;
use crate::ado::world::World;
use crate::http::{Request, Response};
use crate::neighbour::Neighbour;

/// An answer or a refusal; both are responses.
pub(crate) type Reply = Result<Response, Response>;

/// A request with its caller, organization and project.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Request,
    pub(crate) caller: Caller,
    pub(crate) organization: String,
    /// GUID of the project in the path; none where the path names none.
    pub(crate) project: Option<String>,
    newest_api_version: (u32, u32),
    scopes_needed: RefCell<Option<Vec<Scope>>>,
}

impl Call<'_> {
    pub(crate) fn method(&self) -> &str {
        &self.request.method
    }

    /// Refuses a token that has none of these scopes.
    pub(crate) fn needs(&self, scopes: &[Scope]) -> Result<(), Response> {
        self.scopes_needed.replace(Some(scopes.to_vec()));
        if self.caller.holds_any(scopes) { Ok(()) } else { Err(scope_missing()) }
    }

    /// Refuses a version without `-preview`, for calls that exist in preview only.
    pub(crate) fn is_preview(&self) -> Result<(), Response> {
        crate::ado::rest::version::check(self.request, self.newest_api_version, true)
    }

    /// The body as JSON; anything else is refused.
    pub(crate) fn json(&self) -> Result<Value, Response> {
        self.json_as(&["application/json"])
    }

    /// The body as JSON of one of these media types.
    pub(crate) fn json_as(&self, types: &[&str]) -> Result<Value, Response> {
        json_body(self.request, types)
    }
}

/// The body of a request as JSON of one of these media types; anything else is refused.
pub(crate) fn json_body(request: &Request, types: &[&str]) -> Result<Value, Response> {
    let given = request.header("content-type").unwrap_or_default();
    let media = given.split(';').next().unwrap_or_default().trim();
    if !types.iter().any(|one| one.eq_ignore_ascii_case(media)) {
        let text = format!(
            "The Content-Type \"{given}\" is not supported for {}; valid are: {}.",
            request.method,
            types.join(", "),
        );
        return Err(bad_protocol("VssRequestContentTypeNotSupportedException", &text));
    }
    serde_json::from_slice(&request.body)
        .map_err(|_| bad_request("The body could not be read as JSON."))
}

impl Neighbour for World {
    crate::neighbour::kept_in_fields!();

    fn answer(&mut self, request: &Request, now_ms: i64) -> Response {
        self.set_now(now_ms);
        let activity = self.random.guid();
        // Outside of an organization no token is looked at.
        let pat = self.organization_of(request).and_then(|_| self.presented_pat(request));
        self.scopes_needed = None;
        let mut response = self.routed(request).unwrap_or_else(|refusal| refusal);
        if self.organization_of(request).is_some() {
            response = response.with_header("x-vss-resourcetenant", &self.tenant);
        }
        if let Some(pat) = pat {
            let scopes_needed = self.scopes_needed.take();
            self.record_pat_use(pat, request, &response, scopes_needed.as_deref());
        }
        response
            .with_header("date", &crate::timestamp::http_date(self.now_ms))
            .with_header("activityid", &activity)
            .with_header("x-vss-e2eid", &activity)
            .with_header("x-tfs-processid", "3f1d9c1e-5b0c-4a52-8f0e-2f1c7b6a9d10")
            .with_header("cache-control", "no-cache, no-store, must-revalidate")
    }
}

impl World {
    fn routed(&mut self, request: &Request) -> Reply {
        let (organization, rest) = self.organization_of(request).ok_or_else(page_not_found)?;
        if let [apis, tokens, tail @ ..] = rest.as_slice()
            && apis == "_apis"
            && tokens == "tokens"
        {
            return self.pats_call(request, &organization, tail);
        }
        let caller = self.caller(request, &organization).map_err(|stranger| match stranger {
            AuthenticationError::InvalidToken => signed_out(&request.method),
            AuthenticationError::NotAuthorized => {
                unauthorized("TF400813: The user is not authorized to access this resource.")
            }
        })?;
        let at = rest.iter().position(|part| part == "_apis").ok_or_else(page_not_found)?;
        let (before, tail) = rest.split_at(at);
        let newest_api_version = self.options.newest_api_version;
        crate::ado::rest::version::check(request, newest_api_version, false)?;
        let project = match before {
            [] => None,
            [name] => Some(self.project_called(&organization, name, &caller.identity)?),
            _ => return Err(page_not_found()),
        };
        let scopes_needed = RefCell::default();
        let call =
            Call { request, caller, organization, project, newest_api_version, scopes_needed };
        let tail: Vec<&str> = tail.iter().skip(1).map(String::as_str).collect();
        let reply = self.dispatch(&call, &tail);
        self.scopes_needed = call.scopes_needed.take();
        reply
    }

    fn dispatch(&mut self, call: &Call<'_>, tail: &[&str]) -> Reply {
        match tail {
            ["git", rest @ ..] => self.git_call(call, rest),
            ["hooks", rest @ ..] => self.hooks_call(call, rest),
            ["policy", rest @ ..] => self.policy_call(call, rest),
            ["pipelines", rest @ ..] => self.pipelines_call(call, rest),
            ["build", rest @ ..] => self.build_call(call, rest),
            ["connectiondata"] => self.connection_data(call),
            ["projects", rest @ ..] => self.projects_call(call, rest),
            ["permissions", namespace, bits] => self.permissions(call, namespace, bits),
            ["security", "permissionevaluationbatch"] => self.permission_batch(call),
            ["accesscontrolentries", namespace] if call.method() == "POST" => {
                self.change_entries(call, namespace)
            }
            ["accesscontrollists", namespace] if call.method() == "GET" => {
                self.access_control_lists(call, namespace)
            }
            ["identities"] if call.method() == "GET" => self.find_identities(call),
            _ => Err(page_not_found()),
        }
    }

    /// The organization that the path of the request begins with, and the following segments in
    /// lower case.
    fn organization_of(&self, request: &Request) -> Option<(String, Vec<String>)> {
        let segments = request.segments();
        let lower: Vec<_> = segments.iter().map(|part| part.to_ascii_lowercase()).collect();
        let depth = |path: &str| {
            let parts: Vec<_> =
                path.split('/').filter(|part| !part.is_empty()).map(str::to_lowercase).collect();
            lower.starts_with(&parts).then_some(parts.len())
        };
        let found = self.organizations.iter().filter_map(|one| Some((depth(&one.path)?, one)));
        let (depth, organization) = found.max_by_key(|(depth, _)| *depth)?;
        Some((organization.name.clone(), lower.into_iter().skip(depth).collect()))
    }

    /// The GUID of the project of that name or GUID. One that the caller may not see does not exist
    /// for it.
    pub(super) fn project_called(
        &self,
        organization: &str,
        name: &str,
        caller: &str,
    ) -> Result<String, Response> {
        let found = self.projects.iter().find(|project| {
            let same = project.id == name || project.name.eq_ignore_ascii_case(name);
            same && !project.is_deleted
                && project.organization == organization
                && self.may_in_project(caller, Permission::ReadProject, &project.id)
        });
        found.map(|project| project.id.clone()).ok_or_else(|| project_unknown(name))
    }
}
