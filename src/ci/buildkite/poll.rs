//! Reads how builds are: one build, or with one list many.
//!
//! A blocked build keeps its last state, mostly `passed`, beside `blocked: true`.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::Value;

use super::Buildkite;
use crate::ci::error::Error;
use crate::ci::system::Observed;
use crate::ci::urls::web_url;
use crate::domain::run::{Reported, Run};

impl Buildkite {
    pub(super) async fn poll_builds(&self, runs: &[&Run]) -> Vec<Result<Observed, Error>> {
        let mut listed = HashMap::new();
        if runs.len() > 1 {
            listed = match self.client.succeed(self.list(&[])).await {
                Ok(answer) => by_number(&answer.json()),
                Err(error) => return runs.iter().map(|_| Err(error.clone())).collect(),
            };
        }
        let mut observed = Vec::with_capacity(runs.len());
        for run in runs {
            let number = run.ci_id.as_deref().unwrap_or_default();
            observed.push(match listed.get(number) {
                Some(build) => Ok(read(build)),
                None => self.poll_one(number).await,
            });
        }
        observed
    }

    async fn poll_one(&self, number: &str) -> Result<Observed, Error> {
        let query = [("exclude_jobs", "true"), ("exclude_pipeline", "true")];
        let call = self.call(Method::GET, &["builds", number], &query);
        let build = self.client.succeed(call).await?.json();
        match build.get("state") {
            Some(_) => Ok(read(&build)),
            None => Err(Error::ambiguous("its answer is no build")),
        }
    }
}

fn by_number(builds: &Value) -> HashMap<String, Value> {
    let builds = builds.as_array().into_iter().flatten();
    let numbered = builds
        .filter_map(|build| Some((build.get("number")?.as_u64()?.to_string(), build.clone())));
    numbered.collect()
}

fn read(build: &Value) -> Observed {
    let state = build.get("state").and_then(Value::as_str).unwrap_or_default();
    let is_blocked = build.get("blocked").and_then(Value::as_bool) == Some(true);
    let (reported, description) = match state {
        _ if is_blocked => (Reported::Running, Some("blocked: waits for somebody".to_owned())),
        "creating" | "scheduled" | "running" | "failing" | "canceling" | "waiting" => {
            (Reported::Running, None)
        }
        "passed" => (Reported::Succeeded, None),
        "failed" | "waiting_failed" => (Reported::Failed, None),
        "canceled" => {
            let why = build.get("cancel_reason").and_then(Value::as_str);
            (Reported::Cancelled, why.map(str::to_owned))
        }
        "skipped" => (Reported::Cancelled, Some("skipped for a newer build".to_owned())),
        "not_run" => (Reported::Errored, Some("every step was skipped".to_owned())),
        other => {
            let is_over = build.get("finished_at").is_some_and(|at| !at.is_null());
            let state = if is_over { Reported::Errored } else { Reported::Running };
            (state, Some(format!("unknown state {other}")))
        }
    };
    Observed { state: reported, description, url: web_url(build.get("web_url")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_state_has_its_meaning() {
        use Reported::{Cancelled, Errored, Failed, Running, Succeeded};
        for (state, reported) in [
            ("creating", Running),
            ("scheduled", Running),
            ("running", Running),
            ("failing", Running),
            ("canceling", Running),
            ("waiting", Running),
            ("passed", Succeeded),
            ("failed", Failed),
            ("waiting_failed", Failed),
            ("canceled", Cancelled),
            ("skipped", Cancelled),
            ("not_run", Errored),
            ("new_state", Running),
        ] {
            assert_eq!(read(&json!({ "state": state })).state, reported, "{state}");
            let blocked = json!({ "state": state, "blocked": true });
            assert_eq!(read(&blocked).state, Running, "blocked with {state}");
        }
        let over = json!({ "state": "new_state", "finished_at": "2026-11-28T10:00:00Z" });
        assert_eq!(read(&over).state, Errored);
    }
}
