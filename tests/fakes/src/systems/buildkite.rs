//! Buildkite, REST API version 2: one organization with one pipeline.
//!
//! Requests authenticate by an API access token with scopes, and are limited per organization and
//! per user. A blocked build keeps its last state, mostly `passed`, beside `blocked: true`.

/// Webhooks of a notification service.
mod callbacks;
/// What a request to start a build must be.
mod creation;
/// Requests per minute.
mod limits;
/// Filters and pages of lists.
mod listing;
/// Builds as JSON.
mod render;
/// What a test sets and asks.
mod setup;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Build, Builds, State, System};
use crate::faults::Faults;
use crate::http::{Request, Response};
use crate::journal::Journal;
use crate::neighbour::Neighbour;
use crate::random::Random;

pub use callbacks::Proof;
use creation::{Details, Wanted};
use limits::Limits;

/// The key of the meta-data in which the gateway's run id arrives.
const RUN_KEY: &str = "azdo-gateway-run";
const HEX: &[u8] = b"0123456789abcdef";

/// Buildkite.
#[derive(Debug, Clone)]
pub struct World {
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    /// How webhooks prove where they come from.
    pub proof: Proof,
    /// Branches that the pipeline builds, with `*` for any characters; empty for all.
    pub branch_filter: String,
    /// A new build on a branch skips the older ones that wait.
    pub skips_intermediate: bool,
    /// A new build on a branch cancels the older ones that run.
    pub cancels_intermediate: bool,
    /// How many builds deep a list goes; further pages are refused.
    pub deepest: usize,
    /// How long after its start a build is missing in lists.
    pub list_lag_ms: i64,
    limits: Limits,
    builds: Builds,
    details: BTreeMap<u64, Details>,
    base_url: String,
    seed: u64,
    tokens: Vec<Token>,
    webhook_token: String,
}

/// An API access token and what it permits.
#[derive(Debug, Clone)]
struct Token {
    secret: String,
    scopes: &'static [&'static str],
}

impl World {
    /// An organization whose secrets follow from the seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed ^ 0xB11D);
        let all: [&'static [&'static str]; 3] =
            [&["read_builds", "write_builds"], &["read_builds"], &["write_builds"]];
        let tokens =
            all.map(|scopes| Token { secret: format!("bkua_{}", random.text(HEX, 40)), scopes });
        Self {
            faults: Faults::seeded(seed ^ 0xB11D),
            journal: Journal::default(),
            proof: Proof::Signature,
            branch_filter: String::new(),
            skips_intermediate: false,
            cancels_intermediate: false,
            deepest: 5_000,
            list_lag_ms: 0,
            limits: Limits::default(),
            builds: Builds::numbered_from(1),
            details: BTreeMap::new(),
            base_url: "http://buildkite.invalid".to_owned(),
            seed,
            tokens: tokens.to_vec(),
            webhook_token: random.text(HEX, 32),
        }
    }

    fn try_answer(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let bearer =
            request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let token = bearer.and_then(|given| {
            self.tokens.iter().find(|token| !token.secret.is_empty() && token.secret == given)
        });
        let Some(token) = token else {
            return Err(refusal(
                401,
                "Authentication required. Please supply a valid API Access Token: \
                 https://buildkite.com/docs/apis/rest-api#authentication",
            ));
        };
        let scopes = token.scopes;
        let is_within = self.limits.count(now_ms);
        let headers = self.limits.headers(now_ms);
        let answer = match is_within {
            true => self.routed(request, scopes, now_ms).unwrap_or_else(|refusal| refusal),
            false => refusal(429, "You have exceeded your API rate limit."),
        };
        Ok(headers.iter().fold(answer, |answer, (name, value)| answer.with_header(name, value)))
    }

    fn routed(
        &mut self,
        request: &Request,
        scopes: &[&str],
        now_ms: i64,
    ) -> Result<Response, Response> {
        let scope = |wanted: &str| match scopes.contains(&wanted) {
            true => Ok(()),
            false => {
                Err(refusal(403, &format!("Your access token doesn't have the `{wanted}` scope.")))
            }
        };
        // An empty segment, as of a slash at the end, is a segment, too.
        let path = request.path.strip_prefix("/v2/").ok_or_else(not_found)?;
        let parts: Vec<_> = path.split('/').map(crate::http::percent_decoded).collect();
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["access-token"]) => {
                let uuid = Random::seeded(self.seed ^ 0x70CE).guid();
                Ok(Response::json(
                    200,
                    &json!({"uuid": uuid, "scopes": scopes, "description": "azdo-gateway"}),
                ))
            }
            ("GET", ["organizations", organization, "builds"]) => {
                self.expect_organization(organization)?;
                scope("read_builds")?;
                listing::list(self, request, now_ms)
            }
            (method, ["organizations", organization, "pipelines", pipeline, rest @ ..]) => {
                self.expect_organization(organization)?;
                if *pipeline != self.pipeline() {
                    return Err(refusal(404, "No pipeline found"));
                }
                match (method, rest) {
                    ("GET", []) => {
                        scope("read_pipelines")?;
                        Ok(Response::json(200, &render::pipeline(self)))
                    }
                    ("GET", ["builds"]) => {
                        scope("read_builds")?;
                        listing::list(self, request, now_ms)
                    }
                    ("POST", ["builds"]) => {
                        scope("write_builds")?;
                        self.start(request, now_ms)
                    }
                    ("GET", ["builds", number]) => {
                        scope("read_builds")?;
                        let build = self.build_of(number)?;
                        Ok(Response::json(200, &render::build_for(self, build, request)))
                    }
                    ("PUT", ["builds", number, "cancel"]) => {
                        scope("write_builds")?;
                        self.cancel(number)
                    }
                    _ => Err(not_found()),
                }
            }
            _ => Err(not_found()),
        }
    }

    fn expect_organization(&self, slug: &str) -> Result<(), Response> {
        match slug == self.organization() {
            true => Ok(()),
            false => Err(refusal(404, "No organization found")),
        }
    }

    /// The build of a number. The API does not take the id of a build in its place.
    fn build_of(&self, number: &str) -> Result<&Build, Response> {
        let number = number.parse().map_err(|_| refusal(404, "No build found"))?;
        self.builds.get(number).ok_or_else(|| refusal(404, "No build found"))
    }

    fn start(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let wanted = creation::wanted(request)?;
        let is_filtered = !self.branch_filter.is_empty()
            && !wanted.ignores_filters
            && !listing::matches(&self.branch_filter, &wanted.branch);
        if is_filtered {
            return Err(refusal(422, "Branch is not allowed by the pipeline's branch filter"));
        }
        self.pass_over_intermediate(&wanted.branch);
        let Wanted { commit, branch, details, .. } = wanted;
        let text = |key: &str| details.meta_data.get(key).and_then(Value::as_str);
        let build = self.builds.add(Build {
            number: 0,
            run: text(RUN_KEY).unwrap_or_default().to_owned(),
            commit,
            git_ref: branch,
            inputs: details.env.clone(),
            state: State::Queued,
            started_ms: now_ms,
            cancels: 0,
            is_gone: false,
        });
        self.details.insert(build.number, details);
        Ok(Response::json(201, &render::build(self, &build, true, true)))
    }

    /// Skips and cancels older builds of the branch, where the pipeline is set so.
    fn pass_over_intermediate(&mut self, branch: &str) {
        let of_branch = self.builds.all().iter().filter(|build| build.git_ref == branch);
        let open: Vec<_> = of_branch
            .filter(|build| !build.is_gone && !build.state.is_final())
            .map(|build| (build.number, build.state))
            .collect();
        for (number, state) in open {
            let waits = state == State::Queued;
            if waits && self.skips_intermediate {
                self.builds.set_state(number, State::Cancelled);
                self.show(number, "skipped");
            } else if !waits && self.cancels_intermediate {
                self.builds.set_state(number, State::Cancelled);
                if let Some(details) = self.details.get_mut(&number) {
                    details.cancel_reason = Some("A newer build was created".to_owned());
                }
            }
        }
    }

    fn cancel(&mut self, number: &str) -> Result<Response, Response> {
        let build = self.build_of(number)?;
        let (number, state) = (build.number, render::state(self, build));
        let reason = match state.as_str() {
            "scheduled" | "running" | "failing" => None,
            "canceling" => Some("Build is already being canceled"),
            "canceled" => Some("Build has already been canceled"),
            _ => Some("Build can't be canceled because it's already finished"),
        };
        if let Some(reason) = reason {
            return Err(refusal(422, reason));
        }
        let build = self.builds.cancel(number).ok_or_else(|| refusal(404, "No build found"))?;
        if let Some(details) = self.details.get_mut(&number) {
            details.shown = None;
        }
        Ok(Response::json(200, &render::build(self, &build, true, true)))
    }
}

impl Neighbour for World {
    crate::neighbour::kept_in_fields!();

    fn answer(&mut self, request: &Request, now_ms: i64) -> Response {
        self.try_answer(request, now_ms).unwrap_or_else(|refusal| refusal)
    }
}

impl System for World {
    crate::systems::kept_in_fields!();

    fn callback(&self, number: u64, now_ms: i64) -> Option<Request> {
        let build = self.builds.get(number)?;
        let event = match render::state(self, build).as_str() {
            "creating" | "scheduled" => "build.scheduled",
            "skipped" => "build.skipped",
            "failing" => "build.failing",
            "running" | "canceling" => "build.running",
            // A build at a block step has finished, as far as notifications are concerned.
            _ => "build.finished",
        };
        callbacks::event(self, event, number, now_ms)
    }
}

fn refusal(status: u16, message: &str) -> Response {
    Response::json(status, &json!({"message": message}))
}

fn not_found() -> Response {
    refusal(404, "Not Found")
}
