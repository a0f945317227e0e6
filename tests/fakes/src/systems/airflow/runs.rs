//! Runs: started under the name that the caller chose, listed, changed.

use serde_json::{Value, json};

use super::refusal::{conflict, error, unprocessable};
use super::validation::{Key, Kind, object};
use super::world::World;
use crate::http::{Request, Response};
use crate::systems::{Build, State};
use crate::timestamp::rfc3339;

const START: [Key; 8] = [
    Key::required("logical_date", Kind::Time, true),
    Key::optional("dag_run_id", Kind::Text),
    Key::optional("data_interval_start", Kind::Time),
    Key::optional("data_interval_end", Kind::Time),
    Key::optional("run_after", Kind::Time),
    Key::optional("conf", Kind::Object),
    Key::optional("note", Kind::Text),
    Key::optional("partition_key", Kind::Text),
];
const CHANGE: [Key; 2] = [Key::optional("state", Kind::Text), Key::optional("note", Kind::Text)];
/// The states that a caller may set.
const MUTABLE: [&str; 3] = ["queued", "success", "failed"];
const NOTE_MAX_CHARACTERS: usize = 1_000;
/// How many runs a list has at most, and by itself.
const LIMIT_MAX: usize = 100;
const LIMIT: usize = 50;

impl World {
    /// The run of that name.
    pub(super) fn run(&self, dag: &str, name: &str) -> Option<Build> {
        let mut found = self.builds.of_run(name);
        found.next().filter(|_| dag == self.dag).cloned()
    }

    /// `POST …/dagRuns`.
    pub(super) fn start(
        &mut self,
        request: &Request,
        dag: &str,
        now_ms: i64,
    ) -> Result<Response, Response> {
        let body = object(request, &START)?;
        if dag != self.dag {
            return Err(error(404, format!("Dag with dag_id: '{dag}' not found")));
        }
        if self.has_import_errors {
            let text =
                format!("Dag with dag_id: '{dag}' has import errors and cannot be triggered");
            return Err(error(400, text));
        }
        if !self.permits_manual_runs {
            let text = format!("Dag with dag_id: '{dag}' does not allow manual runs");
            return Err(error(400, text));
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = match text("dag_run_id") {
            // Without a name each run gets its own.
            "" => format!("manual__{}_{:08x}", iso(now_ms), self.random.below(1 << 32)),
            name => name.to_owned(),
        };
        check_name(&name)?;
        if self.run(dag, &name).is_some() {
            return Err(conflict());
        }
        let conf = body.get("conf").and_then(Value::as_object).cloned().unwrap_or_default();
        let build = self.builds.add(Build {
            number: 0,
            run: name,
            commit: String::new(),
            git_ref: String::new(),
            inputs: conf,
            state: State::Queued,
            started_ms: now_ms,
            cancels: 0,
            is_gone: false,
        });
        if self.is_paused {
            self.builds.set_state(build.number, State::Queued);
        }
        if !text("note").is_empty() {
            self.notes.insert(build.number, text("note").to_owned());
        }
        let build = self.builds.get(build.number).cloned().unwrap_or(build);
        Ok(Response::json(200, &self.rendered(&build)))
    }

    /// `PATCH …/dagRuns/{run}`. It sets the state whatever the state was.
    pub(super) fn change(
        &mut self,
        request: &Request,
        build: &Build,
    ) -> Result<Response, Response> {
        let body = object(request, &CHANGE)?;
        let masks: Vec<&str> = request
            .query
            .iter()
            .filter(|(name, _)| name == "update_mask")
            .map(|(_, mask)| mask.as_str())
            .collect();
        let is_changed = |name: &str| masks.is_empty() || masks.contains(&name);
        let note = body.get("note").and_then(Value::as_str);
        if note.is_some_and(|note| note.chars().count() > NOTE_MAX_CHARACTERS) {
            let text = "String should have at most 1000 characters";
            return Err(unprocessable("string_too_long", "note", text, &Value::Null));
        }
        let state = body.get("state").and_then(Value::as_str);
        if let Some(state) = state.filter(|state| !MUTABLE.contains(state)) {
            let text = "Input should be 'queued', 'success' or 'failed'";
            return Err(unprocessable("enum", "state", text, &json!(state)));
        }
        if let Some(note) = note.filter(|_| is_changed("note")) {
            self.notes.insert(build.number, note.to_owned());
        }
        match state.filter(|_| is_changed("state")) {
            Some("failed") if build.state == State::Succeeded => {
                self.builds.set_state(build.number, State::Failed);
            }
            // A run that was cancelled reads `failed`.
            Some("failed") => _ = self.builds.cancel(build.number),
            Some("success") => self.builds.set_state(build.number, State::Succeeded),
            Some(_) => self.builds.set_state(build.number, State::Queued),
            None => {}
        }
        let build = self.builds.get(build.number).cloned();
        Ok(Response::json(200, &build.map(|build| self.rendered(&build)).unwrap_or_default()))
    }

    /// `GET …/dagRuns`.
    pub(super) fn list(&self, request: &Request, dag: &str) -> Result<Response, Response> {
        if dag != self.dag && dag != "~" {
            return Err(error(404, format!("The Dag with ID: `{dag}` was not found")));
        }
        let number = |name: &str, default: usize| match request.query(name).map(str::parse) {
            None => Ok(default),
            Some(Ok(number)) => Ok(number),
            Some(Err(_)) => {
                let text = "Input should be a valid integer, unable to parse string as an integer";
                Err(unprocessable("int_parsing", name, text, &json!(request.query(name))))
            }
        };
        let (limit, offset) = (number("limit", LIMIT)?.min(LIMIT_MAX), number("offset", 0)?);
        let matches = |build: &&Build| {
            !build.is_gone
                && request.query("state").is_none_or(|wanted| wanted == name_of(build.state))
                && request
                    .query("run_id_prefix_pattern")
                    .is_none_or(|prefix| build.run.starts_with(prefix))
                && request.query("run_id_pattern").is_none_or(|part| build.run.contains(part))
        };
        let mut found: Vec<&Build> = self.builds.all().iter().filter(matches).collect();
        if request.query("order_by").is_some_and(|order| order.starts_with('-')) {
            found.reverse();
        }
        let shown = found.iter().skip(offset).take(limit);
        let runs: Vec<Value> = shown.map(|build| self.rendered(build)).collect();
        let answer = json!({"dag_runs": runs, "total_entries": found.len(),
            "total_entries_limit": null, "next_cursor": null, "previous_cursor": null});
        Ok(Response::json(200, &answer))
    }

    /// A run. A cancelled one has failed, as far as Airflow knows.
    pub(super) fn rendered(&self, build: &Build) -> Value {
        let at = iso(build.started_ms);
        let has_started = build.state != State::Queued;
        let has_ended = build.state.is_final();
        json!({
            "dag_run_id": build.run,
            "dag_id": self.dag,
            "dag_display_name": self.dag,
            "logical_date": null,
            "queued_at": at,
            "start_date": has_started.then_some(&at),
            "end_date": has_ended.then_some(&at),
            "duration": has_ended.then_some(12.5),
            "data_interval_start": null,
            "data_interval_end": null,
            "run_after": at,
            "last_scheduling_decision": has_started.then_some(&at),
            "run_type": "manual",
            "state": name_of(build.state),
            "triggered_by": "rest_api",
            "triggering_user_name": "gateway",
            "conf": build.inputs,
            "note": self.notes.get(&build.number),
            "dag_versions": [],
            "bundle_version": null,
            "partition_key": null,
            "partition_date": null,
        })
    }
}

fn name_of(state: State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Running => "running",
        State::Succeeded => "success",
        State::Failed | State::Errored | State::Cancelled => "failed",
    }
}

/// Refuses a name of a run that does not match the pattern, or would lead to another path.
fn check_name(name: &str) -> Result<(), Response> {
    if name.contains("..") {
        let text = format!("The run_id '{name}' must not contain '..' to prevent path traversal");
        return Err(error(400, text));
    }
    let is_permitted = |letter: char| letter.is_ascii_alphanumeric() || "_.~:+-".contains(letter);
    if !name.chars().all(is_permitted) {
        let text = format!(
            "The run_id provided '{name}' does not match regex pattern '^[A-Za-z0-9_.~:+-]+$' or \
             '^(?:manual|scheduled|asset_triggered)__(?:\\d{{4}}-\\d{{2}}-\\d{{2}}T\\d{{2}}:\
             \\d{{2}}:\\d{{2}}\\+00:00)$'"
        );
        return Err(error(400, text));
    }
    Ok(())
}

/// `2026-11-23T09:14:16.123000Z`.
fn iso(at_ms: i64) -> String {
    format!("{}000Z", rfc3339(at_ms).get(..23).unwrap_or_default())
}
