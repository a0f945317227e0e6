//! Planning reports, sending them in order, repeating them.
//!
//! The reports of a run are sent in order, and each is repeated until it is accepted, as a careful
//! runner does. The shell takes due reports from here and gives the answers back.

use serde_json::{Value, json};

use super::behaviour::Behaviour;
use super::report::{Answered, PlannedReport, Report};
use super::start::Start;
use super::world::World;

impl World {
    /// The answers to reports, oldest first.
    pub fn answers(&self) -> &[Answered] {
        &self.reports.answered
    }

    /// Whether a final report of a run was accepted.
    pub fn is_reported(&self, run: &str) -> bool {
        self.reports.finished.contains(run)
    }

    /// How many reports were not accepted yet.
    pub fn reports_pending(&self) -> usize {
        self.reports.planned.len()
    }

    /// Plans a report of a state at the present time, after the other reports of that run.
    pub fn report(&mut self, run: &str, state: &'static str, now_ms: i64) {
        assert!(self.starts.contains_key(run), "there is no run {run}");
        self.plan(run, state, now_ms);
    }

    pub(super) fn plan_reports(&mut self, start: &Start, now_ms: i64) {
        let at_once = start.behaviour == Behaviour::ReportBeforeAnswer;
        let is_silent = start.behaviour.final_states().is_empty();
        if let Some(after_ms) = self.options.running_after_ms.filter(|_| !is_silent) {
            self.plan(&start.run, "running", now_ms + if at_once { 0 } else { after_ms });
        }
        let after_ms = if at_once { 0 } else { self.options.final_after_ms };
        for (number, state) in (1..).zip(start.behaviour.final_states()) {
            self.plan(&start.run, state, now_ms + after_ms * number);
        }
    }

    fn plan(&mut self, run: &str, state: &'static str, due_ms: i64) {
        self.reports.last_token += 1;
        let token = self.reports.last_token;
        let is_final = state != "running";
        let planned = PlannedReport { run: run.to_owned(), state, due_ms, attempts: 0, is_final };
        self.reports.planned.insert(token, planned);
        let queue = self.reports.waiting.entry(run.to_owned()).or_default();
        queue.push_back(token);
        if queue.len() == 1 {
            self.reports.due.insert((due_ms, token));
        }
    }

    /// The reports that are due. Each must be given back to `report_answered`.
    pub fn due_reports(&mut self, now_ms: i64) -> Vec<Report> {
        let mut reports = Vec::new();
        while let Some(&(due_ms, token)) = self.reports.due.first() {
            if due_ms > now_ms {
                break;
            }
            self.reports.due.pop_first();
            let Some(planned) = self.reports.planned.get_mut(&token) else { continue };
            planned.attempts += 1;
            let Some(start) = self.starts.get(&planned.run) else { continue };
            self.reports.in_flight.insert(token);
            reports.push(report_of(token, planned, start));
        }
        reports
    }

    /// When the next report falls due.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.reports.due.first().map(|(due_ms, _)| *due_ms)
    }

    /// Takes the answer to a report. Unless it is a 2xx, the report is repeated.
    pub fn report_answered(&mut self, token: u64, status: Option<u16>, body: &[u8], now_ms: i64) {
        if !self.reports.in_flight.remove(&token) {
            return;
        }
        let (retry_ms, limit) = (self.options.report_retry_ms, self.options.report_attempts);
        let Some(planned) = self.reports.planned.get_mut(&token) else { return };
        let (run, state) = (planned.run.clone(), planned.state.to_owned());
        let is_accepted = status.is_some_and(|status| (200..300).contains(&status));
        if !is_accepted && planned.attempts < limit {
            planned.due_ms = now_ms + retry_ms;
            self.reports.due.insert((planned.due_ms, token));
        } else {
            if planned.is_final && is_accepted {
                self.reports.finished.insert(run.clone());
            }
            self.reports.planned.remove(&token);
            self.schedule_next(&run, token);
        }
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        self.reports.answered.push(Answered { run, state, at_ms: now_ms, status, body });
    }

    fn schedule_next(&mut self, run: &str, done: u64) {
        let Some(queue) = self.reports.waiting.get_mut(run) else { return };
        queue.retain(|token| *token != done);
        match queue.front() {
            Some(token) => {
                let due_ms = self.reports.planned.get(token).map_or(0, |planned| planned.due_ms);
                self.reports.due.insert((due_ms, *token));
            }
            None => {
                self.reports.waiting.remove(run);
            }
        }
    }
}

fn report_of(token: u64, planned: &PlannedReport, start: &Start) -> Report {
    let text = |pointer: &str| {
        start.trigger.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let body = json!({
        "state": planned.state,
        "description": format!("build {} is {}", start.number, planned.state),
    });
    Report {
        token,
        run: planned.run.clone(),
        url: text("/report/url"),
        bearer: text("/report/token"),
        body: body.to_string().into_bytes(),
    }
}
