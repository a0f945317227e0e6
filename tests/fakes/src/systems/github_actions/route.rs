//! Which request goes where, and what every request needs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::refusal::{bad_credentials, error, not_found};
use super::token::{Level, Token};
use super::world::World;
use crate::http::{Request, Response};
use crate::systems::strict_path::segments;

/// The versions of the API that exist.
const VERSIONS: [&str; 2] = ["2022-11-28", NO_EMPTY_DISPATCH];
/// Since this version a dispatch is always answered with the run.
pub(super) const NO_EMPTY_DISPATCH: &str = "2026-03-10";

impl World {
    /// The answer to a request, or the refusal.
    pub(super) fn route(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        check_headers(request)?;
        let path = segments(&request.path).ok_or_else(not_found)?;
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        if let ["app", rest @ ..] = parts.as_slice() {
            return self.route_of_app(request, rest, now_ms);
        }
        let token = self.token_of(request, now_ms)?;
        let is_write = request.method != "GET";
        let mut answer = self
            .usage
            .spend(&token.secret, is_write, &self.limits, now_ms)
            .and_then(|()| self.route_of_repository(request, &parts, &token, now_ms))
            .unwrap_or_else(|refusal| refusal);
        answer.headers.extend(self.usage.headers(&token.secret, &self.limits));
        Ok(answer)
    }

    fn route_of_repository(
        &mut self,
        request: &Request,
        parts: &[&str],
        token: &Token,
        now_ms: i64,
    ) -> Result<Response, Response> {
        let ["repos", owner, name, rest @ ..] = parts else { return Err(not_found()) };
        // Names are compared without case.
        let is_own = format!("{owner}/{name}").eq_ignore_ascii_case(&self.repository);
        if !is_own || !token.sees_repository {
            return Err(not_found());
        }
        match (request.method.as_str(), rest) {
            ("GET", []) => Ok(Response::json(200, &self.rendered_repository())),
            ("POST", ["dispatches"]) => self.repository_dispatch(request, token),
            ("GET", ["contents", file @ ..]) => self.file(request, token, &file.join("/")),
            (method, ["actions", "workflows", workflow, rest @ ..]) => match (method, rest) {
                ("POST", ["dispatches"]) => self.dispatch(request, token, workflow, now_ms),
                ("GET", []) => {
                    token.may_act(Level::Read)?;
                    self.known_workflow(workflow)?;
                    Ok(Response::json(200, &self.rendered_workflow()))
                }
                ("GET", ["runs"]) => {
                    token.may_act(Level::Read)?;
                    self.known_workflow(workflow)?;
                    self.list(request, now_ms)
                }
                _ => Err(not_found()),
            },
            ("GET", ["actions", "runs"]) => {
                token.may_act(Level::Read)?;
                self.list(request, now_ms)
            }
            (method, ["actions", "runs", run, rest @ ..]) => {
                self.route_of_run(method, run, rest, token)
            }
            _ => Err(not_found()),
        }
    }

    fn route_of_run(
        &mut self,
        method: &str,
        run: &str,
        rest: &[&str],
        token: &Token,
    ) -> Result<Response, Response> {
        let number = run.parse().map_err(|_| not_found())?;
        token.may_act(if method == "GET" { Level::Read } else { Level::Write })?;
        let run = self.rendered(number).ok_or_else(not_found)?;
        let is_completed = self.status(number).0 == "completed";
        match (method, rest) {
            ("GET", []) => Ok(Response::json(200, &run)),
            ("POST", ["cancel" | "force-cancel"]) if is_completed => {
                Err(error(409, "Cannot cancel a workflow run that is completed."))
            }
            ("POST", [how @ ("cancel" | "force-cancel")]) => {
                self.cancel(number, *how == "force-cancel");
                Ok(Response::json(202, &json!({})))
            }
            ("POST", ["rerun"]) if !is_completed => {
                Err(error(403, "The workflow run is already running"))
            }
            ("POST", ["rerun"]) => {
                self.rerun(number);
                Ok(Response::json(201, &json!({})))
            }
            _ => Err(not_found()),
        }
    }

    pub(super) fn known_workflow(&self, name: &str) -> Result<(), Response> {
        if self.workflow.is_called(name) { Ok(()) } else { Err(not_found()) }
    }

    /// The token of the caller. A private repository is hidden from who has none.
    fn token_of(&self, request: &Request, now_ms: i64) -> Result<Token, Response> {
        let header = request.header("authorization").ok_or_else(not_found)?;
        let (scheme, secret) = header.split_once(' ').ok_or_else(bad_credentials)?;
        if !["bearer", "token"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(bad_credentials());
        }
        let lives = |token: &&Token| token.expires_ms.is_none_or(|until_ms| until_ms > now_ms);
        let found = self.tokens.iter().filter(lives).find(|token| token.secret == secret);
        found.cloned().ok_or_else(bad_credentials)
    }

    /// A file of the repository, which is only ever the workflow.
    fn file(&self, request: &Request, token: &Token, path: &str) -> Result<Response, Response> {
        token.may_open(Level::Read)?;
        let at = request.query("ref").unwrap_or(&self.default_branch);
        if !self.workflow.is_on_default_branch || path != self.workflow.path() {
            return Err(not_found());
        }
        if self.found_ref(at).is_none() {
            return Err(error(404, &format!("No commit found for the ref {at}")));
        }
        let text = self.workflow.yaml();
        let accepted = request.header("accept").unwrap_or_default();
        if accepted.contains(".raw") {
            return Ok(Response {
                body: text.into_bytes(),
                ..Response::empty(200)
                    .with_header("content-type", "application/vnd.github.raw+json; charset=utf-8")
            });
        }
        // GitHub breaks the lines of the encoded content.
        let encoded = STANDARD.encode(&text);
        let lines: String = encoded
            .as_bytes()
            .chunks(60)
            .flat_map(|line| [String::from_utf8_lossy(line), "\n".into()])
            .collect();
        let url = format!("{}/repos/{}/contents/{path}", self.base_url, self.repository);
        Ok(Response::json(
            200,
            &json!({
                "type": "file", "name": self.workflow.file, "path": path, "size": text.len(),
                "encoding": "base64", "content": lines, "url": format!("{url}?ref={at}"),
            }),
        ))
    }
}

fn check_headers(request: &Request) -> Result<(), Response> {
    if request.header("user-agent").is_none_or(str::is_empty) {
        let page = "Request forbidden by administrative rules. Please make sure your request has a \
                    User-Agent header (https://docs.github.com/en/rest/overview/resources-in-the-\
                    rest-api#user-agent-required). Check https://developer.github.com for other \
                    possible causes.\n";
        return Err(Response::html(403, page));
    }
    let accepted = request.header("accept").unwrap_or("*/*");
    let is_known = accepted.split(',').any(|one| {
        let kind = one.split(';').next().unwrap_or_default().trim();
        ["*/*", "application/*", "application/json"].contains(&kind)
            || kind.starts_with("application/vnd.github")
    });
    if !is_known {
        let message =
            format!("Unsupported 'Accept' header: '{accepted}'. Must accept 'application/json'.");
        return Err(error(415, &message));
    }
    match request.header("x-github-api-version") {
        Some(version) if !VERSIONS.contains(&version) => Err(error(
            400,
            &format!("The version in the X-GitHub-Api-Version header is not supported: {version}"),
        )),
        _ => Ok(()),
    }
}
