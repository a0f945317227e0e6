//! Asks how runs are: one list for several of them, and a run with its steps where those decide.

use std::collections::BTreeMap;

use serde_json::Value;

use super::find::PAGE;
use super::{DbtCloud, id_of};
use crate::ci::client::Call;
use crate::ci::error::{Error, unfit};
use crate::ci::system::Observed;
use crate::ci::text::words;
use crate::ci::urls::web_url;
use crate::domain::run::{Reported, Run};

/// The status of a run and of a step that ended with an error.
const ERROR: u64 = 20;

impl DbtCloud {
    pub(super) async fn poll_runs(&self, runs: &[&Run]) -> Vec<Result<Observed, Error>> {
        let listed = match self.listed(runs).await {
            Ok(listed) => listed,
            Err(error) => return runs.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut answers = Vec::new();
        for run in runs {
            let known = run.ci_id.as_ref().and_then(|id| listed.get(id));
            // A list has no steps, which tell what an error was about.
            let known = known.filter(|known| status(known) != Some(ERROR));
            answers.push(match known {
                Some(known) => Ok(self.observed(known)),
                None => self.poll_run(run).await,
            });
        }
        answers
    }

    async fn poll_run(&self, run: &Run) -> Result<Observed, Error> {
        Ok(self.observed(&self.run(ci_id(run)?).await?))
    }

    /// A run by its id, with its steps.
    pub(super) async fn run(&self, id: &str) -> Result<Value, Error> {
        let mut url = self.url(&["runs", id]);
        url.query_pairs_mut().append_pair("include_related", "trigger,run_steps");
        let run = self.data(Call::get(url)).await?;
        match id_of(&run).is_some_and(|found| found == id) {
            true => Ok(run),
            false => Err(Error::ambiguous("its answer is not about the run")),
        }
    }

    /// Those of several runs that a list has, by their ids. One run is not listed.
    async fn listed(&self, runs: &[&Run]) -> Result<BTreeMap<String, Value>, Error> {
        let mut listed = BTreeMap::new();
        if runs.len() < 2 {
            return Ok(listed);
        }
        let ids: Vec<&str> = runs.iter().filter_map(|run| run.ci_id.as_deref()).collect();
        for ids in ids.chunks(PAGE) {
            let mut url = self.url(&["runs"]);
            url.query_pairs_mut()
                .append_pair("pk__in", &ids.join(","))
                .append_pair("limit", &PAGE.to_string());
            let page = self.list(url).await.map_err(Error::of_all)?;
            listed.extend(page.into_iter().filter_map(|run| Some((id_of(&run)?, run))));
        }
        Ok(listed)
    }

    fn observed(&self, run: &Value) -> Observed {
        let state = state(run);
        let description = description(run, state).map(|text| words(&text, &self.client.masks));
        let url = web_url(run.get("href"));
        Observed { state, description, url }
    }
}

/// The id of a run at dbt Cloud.
pub(super) fn ci_id(run: &Run) -> Result<&str, Error> {
    run.ci_id.as_deref().ok_or_else(|| unfit("its id at dbt Cloud is not known"))
}

/// Whether a run has ended.
pub(super) fn is_over(run: &Value) -> bool {
    state(run) != Reported::Running
}

fn status(run: &Value) -> Option<u64> {
    run.get("status").and_then(Value::as_u64)
}

fn state(run: &Value) -> Reported {
    let is_complete = run.get("is_complete").and_then(Value::as_bool) == Some(true);
    match status(run) {
        Some(1..=3) => Reported::Running,
        Some(10) => Reported::Succeeded,
        Some(ERROR) => error(run),
        Some(30) => Reported::Cancelled,
        _ if is_complete => Reported::Errored,
        _ => Reported::Running,
    }
}

/// An error of dbt's own commands is about the code. One before them is not: the clone, the
/// profile, the packages. Without knowledge of steps it is taken for one of the code.
fn error(run: &Value) -> Reported {
    let Some(steps) = run.get("run_steps").and_then(Value::as_array) else {
        return Reported::Failed;
    };
    match wrong_step(steps) {
        Some(name) if name.starts_with("Invoke dbt") && !name.contains("dbt deps") => {
            Reported::Failed
        }
        _ => Reported::Errored,
    }
}

/// The name of the first step that ended with an error.
fn wrong_step(steps: &[Value]) -> Option<&str> {
    steps.iter().find(|step| status(step) == Some(ERROR))?.get("name")?.as_str()
}

fn description(run: &Value, state: Reported) -> Option<String> {
    let text =
        |key: &str| run.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let (name, message) = (text("status_humanized"), text("status_message"));
    let of_step = || {
        let step = wrong_step(run.get("run_steps")?.as_array()?)?;
        Some(format!("{step}: error"))
    };
    match (state, status(run)) {
        (Reported::Running, _) => match (name, message) {
            (Some(name), Some(message)) => Some(format!("{name}: {message}")),
            (name, message) => name.or(message).map(str::to_owned),
        },
        (Reported::Failed | Reported::Errored, Some(ERROR)) => {
            message.map(str::to_owned).or_else(of_step)
        }
        (Reported::Errored, status) => {
            let number = status.map_or("none".to_owned(), |status| status.to_string());
            let name = name.map(|name| format!(", {name}")).unwrap_or_default();
            Some(format!("it ended with a status that is not known: {number}{name}"))
        }
        _ => message.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_status_has_a_state() {
        let step = |name: &str, status: u64| json!({ "name": name, "status": status });
        let clone = step("Clone git repository", 10);
        let build = step("Invoke dbt with `dbt build`", 20);
        for (run, expected, words) in [
            (json!({"status": 1, "status_humanized": "Queued"}), Reported::Running, "Queued"),
            (json!({"status": 2, "status_humanized": "Starting"}), Reported::Running, "Starting"),
            (json!({"status": 3, "status_message": "x"}), Reported::Running, "x"),
            (json!({"status": 10, "status_message": null}), Reported::Succeeded, ""),
            (json!({"status": 30, "status_message": "by user"}), Reported::Cancelled, "by user"),
            (json!({"status": 20}), Reported::Failed, ""),
            (json!({"status": 20, "run_steps": []}), Reported::Errored, ""),
            (
                json!({"status": 20, "run_steps": [clone, build]}),
                Reported::Failed,
                "Invoke dbt with `dbt build`: error",
            ),
            (
                json!({"status": 20, "run_steps": [step("Invoke dbt with `dbt deps`", 20)]}),
                Reported::Errored,
                "Invoke dbt with `dbt deps`: error",
            ),
            (
                json!({"status": 20, "run_steps": [step("Clone git repository", 20)],
                       "status_message": "reference is not a tree"}),
                Reported::Errored,
                "reference is not a tree",
            ),
            (json!({"status": 40, "is_complete": false}), Reported::Running, ""),
            (
                json!({"status": 40, "is_complete": true, "status_humanized": "Skipped"}),
                Reported::Errored,
                "it ended with a status that is not known: 40, Skipped",
            ),
            (json!({}), Reported::Running, ""),
        ] {
            let state = state(&run);
            assert_eq!(state, expected, "{run}");
            assert_eq!(description(&run, state).unwrap_or_default(), words, "{run}");
        }
    }
}
