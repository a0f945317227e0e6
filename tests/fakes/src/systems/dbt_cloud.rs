//! dbt Cloud, Administrative API version 2: one account with one project and one job.
//!
//! Every answer is an envelope. Ids are integers in the API and texts in webhooks.

/// Webhooks, which the header `Authorization` signs.
mod callbacks;
/// Requests per minute, and the lock-out.
mod limit;
/// Filters, orders and pages of lists.
mod listing;
/// Runs and jobs as JSON.
mod render;
/// What a test sets and asks.
mod setup;
#[cfg(test)]
mod tests;
/// What a request to start a run must be.
mod triggering;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Build, Builds, State, System};
use crate::faults::Faults;
use crate::http::{Request, Response};
use crate::journal::Journal;
use crate::neighbour::Neighbour;
use crate::random::Random;

use limit::Limit;

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
const ACCOUNT: u64 = 70_403_103_900_123;
const PROJECT: u64 = 70_403_103_910_456;
const ENVIRONMENT: u64 = 70_403_103_920_789;
const JOB: u64 = 70_403_103_930_012;
const FIRST_RUN: u64 = 70_403_104_000_001;

/// dbt Cloud.
#[derive(Debug, Clone)]
pub struct World {
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    /// `ci` unless set; any other type, such as `other`, asks for no pull request.
    pub job_type: String,
    /// The job is started by its own git integration, too.
    pub has_own_trigger: bool,
    /// The job was deleted.
    pub is_job_deleted: bool,
    /// The account is locked: nothing is permitted.
    pub is_locked: bool,
    /// A run of a CI job cancels the older ones of the same pull request at other commits.
    pub cancels_older: bool,
    /// Times have a blank where ISO 8601 has a T, and an offset.
    pub has_blank_in_times: bool,
    /// How long after its start a run is missing in lists.
    pub list_lag_ms: i64,
    /// The status that refuses to cancel a run that has ended; none to answer with the run.
    pub refuses_late_cancel: Option<u16>,
    /// Whether a cancelled run sends the webhook `job.run.completed`.
    pub reports_cancelled: bool,
    limit: Limit,
    builds: Builds,
    details: BTreeMap<u64, Details>,
    base_url: String,
    seed: u64,
    tokens: Vec<Token>,
    hmac_secret: String,
}

#[derive(Debug, Clone)]
struct Token {
    secret: String,
    reads: bool,
    runs: bool,
}

/// What dbt knows of a run beside what all systems know.
#[derive(Debug, Clone, Default)]
struct Details {
    /// The properties of the request that started it, without unknown ones.
    trigger: Map<String, Value>,
    /// While it is queued it shows `Starting`.
    is_starting: bool,
    message: Option<String>,
    /// Names and status codes of its steps, where a test has set them.
    steps: Option<Vec<(String, u8)>>,
}

impl World {
    /// An account whose secrets follow from the seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed ^ 0xDB7);
        let mut token = |prefix: &str, reads, runs| Token {
            secret: format!("{prefix}{}", random.text(LETTERS, 43)),
            reads,
            runs,
        };
        let tokens = vec![
            token("dbtc_", true, true),
            token("dbtc_", true, false),
            token("dbtc_", false, false),
            token("dbtu_", true, true),
        ];
        Self {
            faults: Faults::seeded(seed ^ 0xDB7),
            journal: Journal::default(),
            job_type: "ci".to_owned(),
            has_own_trigger: false,
            is_job_deleted: false,
            is_locked: false,
            cancels_older: true,
            has_blank_in_times: true,
            list_lag_ms: 0,
            refuses_late_cancel: Some(400),
            reports_cancelled: false,
            limit: Limit::default(),
            builds: Builds::numbered_from(FIRST_RUN),
            details: BTreeMap::new(),
            base_url: "http://dbt.invalid".to_owned(),
            seed,
            tokens,
            hmac_secret: random.text(b"0123456789abcdef", 64),
        }
    }

    fn try_answer(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let given = request.header("authorization").unwrap_or_default();
        let given = given.strip_prefix("Token ").or_else(|| given.strip_prefix("Bearer "));
        let token = given.and_then(|given| self.tokens.iter().find(|one| one.secret == given));
        let Some(token) = token.cloned() else {
            return Err(refusal(401, "Invalid token."));
        };
        if !self.limit.count(now_ms) {
            return Err(refusal(429, "Too many requests. Please try again later."));
        }
        if !accepts_json(request) {
            return Err(refusal(406, "Could not satisfy the request Accept header."));
        }
        let rest = request.path.strip_prefix("/api/v2/accounts/").ok_or_else(not_found)?;
        // Without the slash at the end the path is another, which redirects.
        let Some(rest) = rest.strip_suffix('/') else {
            let target = format!("{}{}/", self.base_url, request.path);
            return Ok(Response::empty(301).with_header("location", &target));
        };
        let parts: Vec<_> = rest.split('/').collect();
        let (account, rest) = parts.split_first().ok_or_else(not_found)?;
        if account.parse() != Ok(ACCOUNT) {
            return Err(not_found());
        }
        if self.is_locked {
            return Err(refusal(403, "This account is locked."));
        }
        if !token.reads {
            return Err(not_permitted());
        }
        let may_run = if token.runs { Ok(()) } else { Err(not_permitted()) };
        match (request.method.as_str(), rest) {
            ("GET", ["jobs", job]) => {
                self.expect_job(job)?;
                Ok(enveloped(render::job(self)))
            }
            ("POST", ["jobs", job, "run"]) => {
                self.expect_job(job)?;
                may_run?;
                if self.is_job_deleted {
                    return Err(not_found());
                }
                self.start(request, now_ms)
            }
            ("GET", ["runs"]) => listing::list(self, request, now_ms),
            ("GET", ["runs", run]) => {
                let build = self.build_of(run)?;
                let related = render::related(request);
                Ok(enveloped(render::run(self, build, &related)))
            }
            ("POST", ["runs", run, "cancel"]) => {
                let number = self.build_of(run)?.number;
                may_run?;
                self.cancel(number)
            }
            (
                _,
                ["jobs", _] | ["jobs", _, "run"] | ["runs"] | ["runs", _] | ["runs", _, "cancel"],
            ) => Err(refusal(405, &format!("Method \"{}\" not allowed.", request.method))),
            _ => Err(not_found()),
        }
    }

    fn expect_job(&self, job: &str) -> Result<(), Response> {
        if job.parse() == Ok(JOB) { Ok(()) } else { Err(not_found()) }
    }

    fn build_of(&self, run: &str) -> Result<&Build, Response> {
        let number = run.parse().map_err(|_| not_found())?;
        self.builds.get(number).ok_or_else(not_found)
    }

    fn start(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let trigger = triggering::wanted(request, self.job_type == "ci")?;
        let text = |key: &str| trigger.get(key).and_then(Value::as_str).unwrap_or_default();
        let (commit, git_ref) = (text("git_sha").to_owned(), text("git_branch").to_owned());
        let run = triggering::run_in(text("cause"));
        if self.job_type == "ci" && self.cancels_older {
            self.cancel_older(&trigger);
        }
        let build = self.builds.add(Build {
            number: 0,
            run,
            commit,
            git_ref,
            inputs: trigger.clone(),
            state: State::Queued,
            started_ms: now_ms,
            cancels: 0,
            is_gone: false,
        });
        self.details.insert(build.number, Details { trigger, ..Details::default() });
        Ok(enveloped(render::run(self, &build, &[])))
    }

    /// Cancels runs in flight of the same pull request at another commit.
    fn cancel_older(&mut self, trigger: &Map<String, Value>) {
        let source = |trigger: &Map<String, Value>| {
            triggering::PULL_REQUESTS.map(|key| trigger.get(key).cloned())
        };
        let (wanted, sha) = (source(trigger), trigger.get("git_sha"));
        let older: Vec<_> = self
            .builds
            .all()
            .iter()
            .filter(|build| !build.state.is_final() && !build.is_gone)
            .map(|build| build.number)
            .filter(|number| {
                let trigger = self.details.get(number).map(|details| &details.trigger);
                trigger.is_some_and(|own| source(own) == wanted && own.get("git_sha") != sha)
            })
            .collect();
        for number in older {
            self.builds.set_state(number, State::Cancelled);
            self.set_message(number, "Cancelled because a newer run was triggered.");
        }
    }

    fn cancel(&mut self, number: u64) -> Result<Response, Response> {
        let is_over = self.builds.get(number).is_some_and(|build| build.state.is_final());
        if let Some(status) = self.refuses_late_cancel.filter(|_| is_over) {
            return Err(refusal(status, "This run is already complete and cannot be cancelled."));
        }
        let build = self.builds.cancel(number).ok_or_else(not_found)?;
        if !is_over && build.state == State::Cancelled {
            self.set_message(number, "Cancelled by user.");
        }
        Ok(enveloped(render::run(self, &build, &[])))
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
        callbacks::all(self, number, now_ms).pop()
    }
}

fn accepts_json(request: &Request) -> bool {
    let kinds = ["application/json", "application/*", "*/*"];
    request.header("accept").is_none_or(|accept| kinds.iter().any(|kind| accept.contains(kind)))
}

fn status(code: u16, message: &str) -> Value {
    let is_success = code < 300;
    json!({
        "code": code,
        "is_success": is_success,
        "user_message": message,
        "developer_message": "",
    })
}

fn enveloped(data: Value) -> Response {
    Response::json(200, &json!({"status": status(200, "Success!"), "data": data}))
}

fn refusal(code: u16, message: &str) -> Response {
    Response::json(code, &json!({"status": status(code, message), "data": null}))
}

/// The same text for what does not exist and for what may not be seen.
fn not_found() -> Response {
    refusal(
        404,
        "The requested resource was not found. Please check that you have the proper permissions.",
    )
}

fn not_permitted() -> Response {
    refusal(403, "You do not have permission to perform this action.")
}
