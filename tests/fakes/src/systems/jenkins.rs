//! Jenkins: one job in a folder, its queue and its builds.
//!
//! A start makes an item in the queue, which becomes a build when it leaves. Parameters that the
//! job does not declare are dropped without a word. Jenkins thinks that it is served elsewhere.

/// Who sends a request, and what that user may do.
mod access;
/// Items of the queue.
mod queue;
/// Jobs and builds as JSON.
mod render;
/// What a test sets and asks.
mod setup;
/// Requests that start builds, and their parameters.
mod starting;
#[cfg(test)]
mod tests;
/// The parts of an answer that a request asks for.
mod tree;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Build, Builds, State, System};
use crate::faults::Faults;
use crate::http::{Request, Response, percent_decoded};
use crate::journal::Journal;
use crate::neighbour::Neighbour;
use crate::random::Random;

use access::{Caller, User};
pub use starting::{Kind, Parameter};

/// The id of an item is not the number of its build.
const FIRST_ITEM: u64 = 7_000;

/// Jenkins.
#[derive(Debug, Clone)]
pub struct World {
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    /// The parameters that the job declares. A job without any is not parameterized.
    pub parameters: Vec<Parameter>,
    /// The parameter in which the gateway's run id arrives.
    pub run_parameter: String,
    /// The job is disabled.
    pub is_disabled: bool,
    /// A plugin refuses every start, or Jenkins is about to shut down.
    pub refuses_starts: bool,
    /// Jenkins is starting: it answers nothing else.
    pub is_starting: bool,
    /// Whether a start with parameters that wait already answers 303. Older servers answer 201.
    pub says_see_other: bool,
    /// Whether builds of the job run beside each other.
    pub runs_concurrently: bool,
    /// How long an item waits where the start does not say.
    pub quiet_period_ms: i64,
    /// How long after it has left the queue an item has no build yet.
    pub executable_lag_ms: i64,
    /// The job is a pipeline, whose builds know `term` and `kill` beside `stop`.
    pub is_pipeline: bool,
    /// The mildest of `stop`, `term` and `kill` that ends a build.
    pub ends_at: String,
    /// The token with which the job is started remotely, without the permission to build.
    pub remote_token: Option<String>,
    /// Where Jenkins thinks that it is served, as far as the header `Location` is concerned.
    pub location_base: String,
    builds: Builds,
    details: BTreeMap<u64, Details>,
    /// Names of the folders and of the job, as Jenkins itself knows them.
    names: Vec<String>,
    users: Vec<User>,
    base_url: String,
    seed: u64,
    restarts: u64,
}

/// What Jenkins knows of a build beside what all systems know.
#[derive(Debug, Clone, Default)]
struct Details {
    /// Names and values, in the order in which the job declares them.
    parameters: Vec<(String, Value)>,
    user: String,
    delay_ms: i64,
    /// When it was seen first that the item has left the queue.
    left_ms: Option<i64>,
    /// It was cancelled in the queue, and never became a build.
    is_cancelled_item: bool,
    /// A result to show as long as the build is in that state.
    result: Option<(State, String)>,
}

impl World {
    /// A Jenkins whose secrets follow from the seed. Its job declares the parameter of the run id
    /// and no other.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed ^ 0x3E4B);
        Self {
            faults: Faults::seeded(seed ^ 0x3E4B),
            journal: Journal::default(),
            parameters: vec![Parameter::text("AZDO_GATEWAY_RUN", "")],
            run_parameter: "AZDO_GATEWAY_RUN".to_owned(),
            is_disabled: false,
            refuses_starts: false,
            is_starting: false,
            says_see_other: true,
            runs_concurrently: true,
            quiet_period_ms: 5_000,
            executable_lag_ms: 0,
            is_pipeline: true,
            ends_at: "stop".to_owned(),
            remote_token: None,
            location_base: "http://jenkins.internal.invalid:8080".to_owned(),
            builds: Builds::numbered_from(1),
            details: BTreeMap::new(),
            names: vec!["team a".to_owned(), "web".to_owned()],
            users: access::users(&mut random),
            base_url: "http://jenkins.invalid".to_owned(),
            seed,
            restarts: 0,
        }
    }

    fn try_answer(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let caller = access::caller(self, request)?;
        let path = request.path.strip_prefix('/').unwrap_or_default();
        let parts: Vec<_> = path.split('/').map(percent_decoded).collect();
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        let is_get = request.method == "GET";
        match parts.as_slice() {
            ["crumbIssuer", "api", "json"] if is_get => Ok(access::crumb_answer(self, &caller)),
            ["me" | "whoAmI", "api", "json"] if is_get => {
                let name = &caller.user.name;
                tree::answer(request, json!({"id": name, "name": name, "anonymous": false}))
            }
            ["api", "json"] if is_get => tree::answer(request, render::root(self)),
            ["queue", rest @ ..] => self.of_queue(rest, request, &caller, now_ms),
            ["job", ..] => self.of_job(&parts, request, &caller, now_ms),
            _ => Err(not_found()),
        }
    }

    fn of_queue(
        &mut self,
        rest: &[&str],
        request: &Request,
        caller: &Caller,
        now_ms: i64,
    ) -> Result<Response, Response> {
        match (request.method.as_str(), rest) {
            ("GET", ["api", "json"]) => {
                tree::answer(request, queue::list(self, caller.user.reads, now_ms))
            }
            // There is no page of an item, only its data.
            ("GET", ["item", id, "api", "json"]) if caller.user.reads => {
                let id = id.parse().map_err(|_| not_found())?;
                let item = queue::item(self, id, now_ms).ok_or_else(not_found)?;
                tree::answer(request, item)
            }
            ("POST", ["cancelItem"]) => {
                let given = starting::values(request);
                let id = given.iter().find(|(name, _)| name == "id");
                let id = id.and_then(|(_, id)| id.parse().ok()).unwrap_or(0);
                queue::cancel(self, id, caller)
            }
            (_, ["cancelItem"]) => Err(post_required()),
            _ => Err(not_found()),
        }
    }

    fn of_job(
        &mut self,
        parts: &[&str],
        request: &Request,
        caller: &Caller,
        now_ms: i64,
    ) -> Result<Response, Response> {
        // What a user may not see does not exist.
        if !caller.user.reads {
            return Err(not_found());
        }
        let names = self.names.clone();
        let own: Vec<_> = names.iter().flat_map(|name| ["job", name.as_str()]).collect();
        let folders = own.get(..own.len().saturating_sub(2)).unwrap_or_default();
        if let Some(["api", "json"]) = parts.strip_prefix(folders)
            && !folders.is_empty()
        {
            return tree::answer(request, render::folder(self));
        }
        let rest = parts.strip_prefix(own.as_slice()).ok_or_else(not_found)?;
        match (request.method.as_str(), rest) {
            ("GET", [] | [""]) => Ok(Response::html(200, "<html><title>web</title></html>")),
            ("GET", ["api", "json"]) => tree::answer(request, render::job(self, request)),
            (_, [verb @ ("build" | "buildWithParameters")]) => {
                starting::start(self, verb, request, caller, now_ms)
            }
            (method, [number, rest @ ..]) => {
                let number = number.parse().map_err(|_| not_found())?;
                let build = self.executed(number).ok_or_else(not_found)?;
                match (method, rest) {
                    ("GET", [] | [""]) => Ok(Response::html(200, "<html><title>#</title></html>")),
                    ("GET", ["api", "json"]) => tree::answer(request, render::build(self, build)),
                    (_, [verb @ ("stop" | "term" | "kill")]) => {
                        self.stop(number, verb, request, caller)
                    }
                    _ => Err(not_found()),
                }
            }
            _ => Err(not_found()),
        }
    }

    /// The build of that number, unless it is an item of the queue still or was never more.
    fn executed(&self, number: u64) -> Option<&Build> {
        let build = self.builds.get(number)?;
        let is_item = self.details.get(&number).is_none_or(|known| known.is_cancelled_item);
        (build.state != State::Queued && !is_item).then_some(build)
    }

    /// Every verb answers alike, whether or not there is anything to stop.
    fn stop(
        &mut self,
        number: u64,
        verb: &str,
        request: &Request,
        caller: &Caller,
    ) -> Result<Response, Response> {
        let rank = |verb: &str| ["stop", "term", "kill"].iter().position(|one| *one == verb);
        if verb != "stop" && !self.is_pipeline {
            return Err(not_found());
        }
        if request.method != "POST" {
            return Err(post_required());
        }
        if !caller.user.cancels {
            return Err(access::not_permitted(caller, "Cancel"));
        }
        let at_once = self.builds.cancels_at_once;
        self.builds.cancels_at_once = at_once && rank(verb) >= rank(&self.ends_at);
        self.builds.cancel(number);
        self.builds.cancels_at_once = at_once;
        Ok(Response::empty(302).with_header("location", "."))
    }

    /// Notes which items have left the queue: they are known for five minutes from now.
    fn note_left(&mut self, now_ms: i64) {
        for build in self.builds.all().iter().filter(|build| build.state != State::Queued) {
            if let Some(known) = self.details.get_mut(&build.number) {
                known.left_ms.get_or_insert(now_ms);
            }
        }
    }

    fn add(
        &mut self,
        parameters: Vec<(String, Value)>,
        user: &str,
        delay_ms: i64,
        now_ms: i64,
    ) -> u64 {
        let inputs: Map<_, _> = parameters.iter().cloned().collect();
        let run = inputs.get(&self.run_parameter).and_then(Value::as_str).unwrap_or_default();
        let build = self.builds.add(Build {
            number: 0,
            run: run.to_owned(),
            commit: String::new(),
            git_ref: String::new(),
            inputs,
            state: State::Queued,
            started_ms: now_ms,
            cancels: 0,
            is_gone: false,
        });
        let details = Details { parameters, user: user.to_owned(), delay_ms, ..Details::default() };
        self.details.insert(build.number, details);
        build.number
    }
}

impl Neighbour for World {
    crate::neighbour::kept_in_fields!();

    fn answer(&mut self, request: &Request, now_ms: i64) -> Response {
        self.note_left(now_ms);
        // Jenkins' own filters are not there yet.
        if self.is_starting {
            let page =
                "<html><body>Please wait while Jenkins is getting ready to work</body></html>";
            return Response::html(503, page);
        }
        let answer = self.try_answer(request, now_ms).unwrap_or_else(|refusal| refusal);
        answer.with_header("X-Jenkins", "2.516.3").with_header("X-Jenkins-Session", &self.session())
    }
}

impl System for World {
    crate::systems::kept_in_fields!();
}

fn page(status: u16, text: &str) -> Response {
    Response::html(
        status,
        &format!("<html><head><title>Jenkins</title></head><body>{text}</body></html>"),
    )
}

fn not_found() -> Response {
    page(404, "<h1>Not Found</h1>")
}

fn post_required() -> Response {
    page(405, "<h1>Form post required</h1>").with_header("Allow", "POST")
}

/// An exception in Jenkins: its text stays in the log.
fn oops() -> Response {
    page(500, "<h1>Oops!</h1><p>A problem occurred while processing the request.</p>")
}
