//! The state of the CI, and its answers to triggers.
//!
//! A run is started once, however often it is triggered. A repeated trigger gets the same answer
//! and is counted. The world has no clock and sends nothing by itself.

use std::collections::{BTreeMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::behaviour::Behaviour;
use super::report::Reports;
use super::start::{Options, Start};
use super::{contract, signature};
use crate::faults::Faults;
use crate::http::{Release, Request, Response};
use crate::journal::Journal;
use crate::neighbour::Neighbour;
use crate::random::Random;

/// The CI system.
#[derive(Debug, Clone)]
pub struct World {
    /// Settings.
    pub options: Options,
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    pub(super) reports: Reports,
    pub(super) starts: BTreeMap<String, Start>,
    base_url: String,
    secrets: Vec<String>,
    default: Behaviour,
    by_check: BTreeMap<String, Behaviour>,
    next: VecDeque<Behaviour>,
    accepted: u64,
}

impl World {
    /// A CI whose webhook secret follows from the seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed ^ 0xC1);
        let key: Vec<u8> = (0..4).flat_map(|_| random.bits().to_le_bytes()).collect();
        Self {
            options: Options::default(),
            faults: Faults::seeded(seed ^ 0xC1),
            journal: Journal::default(),
            reports: Reports::default(),
            starts: BTreeMap::new(),
            base_url: "http://ci.invalid".to_owned(),
            secrets: vec![format!("whsec_{}", STANDARD.encode(key))],
            default: Behaviour::Succeed,
            by_check: BTreeMap::new(),
            next: VecDeque::new(),
            accepted: 0,
        }
    }

    /// The webhook secret, for the gateway's configuration.
    pub fn secret(&self) -> &str {
        self.secrets.first().map_or("", String::as_str)
    }

    /// Replaces the accepted secrets; there are two during a rotation.
    pub fn set_secrets(&mut self, secrets: &[&str]) {
        self.secrets = secrets.iter().map(|&secret| secret.to_owned()).collect();
    }

    /// Sets the base URL of builds. The shell does so when it has a port.
    pub fn set_base_url(&mut self, base_url: &str) {
        base_url.clone_into(&mut self.base_url);
    }

    /// Sets the behaviour of runs for which no other was set.
    pub fn set_default(&mut self, behaviour: Behaviour) {
        self.default = behaviour;
    }

    /// Sets the behaviour of the runs of one check.
    pub fn set_for_check(&mut self, check: &str, behaviour: Behaviour) {
        self.by_check.insert(check.to_owned(), behaviour);
    }

    /// Sets the behaviour of the next `count` new runs of any check.
    pub fn next(&mut self, count: usize, behaviour: &Behaviour) {
        self.next.extend(std::iter::repeat_n(behaviour.clone(), count));
    }

    /// The runs that were triggered, refused ones included.
    pub fn triggered(&self) -> impl Iterator<Item = &Start> {
        self.starts.values()
    }

    /// The runs that the CI accepted.
    pub fn started(&self) -> impl Iterator<Item = &Start> {
        self.starts.values().filter(|start| start.is_accepted)
    }

    /// How many runs the CI accepted.
    pub fn starts(&self) -> usize {
        self.started().count()
    }

    /// The run of that id.
    pub fn start(&self, run: &str) -> Option<&Start> {
        self.starts.get(run)
    }

    fn try_answer(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        if request.segments().last().map(String::as_str) != Some("start") {
            return Err(Response::text(404, "not found"));
        }
        if request.method != "POST" {
            return Err(Response::text(405, "only POST starts a run"));
        }
        let id = signature::verified_id(request, &self.secrets, now_ms)
            .map_err(|why| Response::text(401, why))?;
        let trigger: Value = serde_json::from_slice(&request.body)
            .map_err(|_| Response::text(400, "the trigger is not JSON"))?;
        if let Some(violation) = contract::violation(&trigger) {
            return Err(Response::text(400, &violation));
        }
        if trigger.get("run").and_then(Value::as_str) != Some(&id) {
            return Err(Response::text(400, "webhook-id is not the run"));
        }
        Ok(self.trigger(&id, trigger, now_ms))
    }

    fn trigger(&mut self, run: &str, trigger: Value, now_ms: i64) -> Response {
        if !self.starts.contains_key(run) {
            let start = self.new_start(run, &trigger, now_ms);
            self.starts.insert(run.to_owned(), start);
        }
        let Some(start) = self.starts.get_mut(run) else {
            return Response::text(500, "the run does not exist");
        };
        start.attempts += 1;
        start.differences.extend(contract::differences(&start.trigger, &trigger));
        if start.is_accepted {
            start.repeats += 1;
            return answer_of(start, &self.base_url);
        }
        match &start.behaviour {
            Behaviour::Refuse { status, text } => return Response::text(*status, text),
            Behaviour::Unavailable { times, retry_after_s } if start.attempts <= *times => {
                let response = Response::text(503, "the CI is unavailable");
                return match retry_after_s {
                    0 => response,
                    seconds => response.with_header("retry-after", &seconds.to_string()),
                };
            }
            _ => {}
        }
        self.accepted += 1;
        start.is_accepted = true;
        start.number = self.accepted;
        let response = answer_of(start, &self.base_url);
        let start = start.clone();
        self.plan_reports(&start, now_ms);
        match start.behaviour {
            Behaviour::Timeout => Response { release: Release::Never, ..response },
            Behaviour::ReportBeforeAnswer => {
                Response { release: Release::AfterReportOf(run.to_owned()), ..response }
            }
            _ => response,
        }
    }

    fn new_start(&mut self, run: &str, trigger: &Value, now_ms: i64) -> Start {
        let text = |key: &str| trigger.get(key).and_then(Value::as_str).unwrap_or_default();
        let of_check = || self.by_check.get(text("check")).cloned();
        let next = self.next.pop_front();
        let behaviour = next.or_else(of_check).unwrap_or_else(|| self.default.clone());
        Start {
            run: run.to_owned(),
            number: 0,
            check: text("check").to_owned(),
            commit: text("commit").to_owned(),
            trigger: trigger.clone(),
            at_ms: now_ms,
            attempts: 0,
            is_accepted: false,
            repeats: 0,
            differences: Vec::new(),
            behaviour,
        }
    }
}

impl Neighbour for World {
    crate::neighbour::kept_in_fields!();

    fn answer(&mut self, request: &Request, now_ms: i64) -> Response {
        self.try_answer(request, now_ms).unwrap_or_else(|refusal| refusal)
    }
}

fn answer_of(start: &Start, base_url: &str) -> Response {
    let url = format!("{base_url}/builds/{}", start.number);
    match start.behaviour {
        Behaviour::AnswerWithoutId => Response::json(200, &json!({})),
        Behaviour::GarbageAnswer => Response::html(200, "<html>Build queued!</html>"),
        _ => Response::json(200, &json!({"id": start.number.to_string(), "url": url})),
    }
}
