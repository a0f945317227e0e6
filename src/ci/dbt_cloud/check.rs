//! Whether the token, the account and the job are right.

use serde_json::Value;

use super::DbtCloud;
use crate::ci::client::Call;
use crate::ci::system::Finding;

const TOKEN: &str = "write a service token of the account with the permission set job_runner for \
                     the project; the account's IP restrictions must let this machine in";
const JOB: &str = "compare url, account and job with the address of the job's page; the token \
                   has to see the project (permission set job_runner)";

impl DbtCloud {
    pub(super) async fn findings(&self) -> Vec<Finding> {
        let number = self.options.job.to_string();
        let job = match self.data(Call::get(self.url(&["jobs", &number]))).await {
            Ok(job) => job,
            Err(error) => return vec![Finding::unanswered(&error, TOKEN, JOB)],
        };
        let name = job.get("name").and_then(Value::as_str).unwrap_or_default();
        let mut findings = vec![Finding::note(format!("the token reads job {number}, {name:?}"))];
        findings.extend(of_job(&job));
        let mut url = self.url(&["runs"]);
        url.query_pairs_mut().append_pair("job_definition_id", &number).append_pair("limit", "1");
        if let Err(error) = self.list(url).await {
            findings.push(Finding::unanswered(&error, TOKEN, JOB));
        }
        findings.push(Finding::note("whether the token may start runs is seen at the first start"));
        if self.options.webhook_secrets.is_empty() {
            findings.push(Finding::note("without webhook_secret, runs are only polled"));
        }
        findings
    }
}

fn of_job(job: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    if job.get("state").and_then(Value::as_u64) == Some(2) {
        findings.push(Finding::problem("the job was deleted", "write the id of another job"));
    }
    let is_on = |name: &str| {
        job.pointer(&format!("/triggers/{name}")).and_then(Value::as_bool) == Some(true)
    };
    if is_on("github_webhook") || is_on("git_provider_webhook") {
        findings.push(Finding::problem(
            "the job's own trigger runs it for pull requests, too: each commit would run twice",
            "switch off \"Triggered by pull requests\" in the settings of the job",
        ));
    }
    if is_on("on_merge") {
        findings.push(Finding::note("the job also runs by itself when something is merged"));
    }
    match job.get("job_type").and_then(Value::as_str) {
        Some("ci") => findings.push(Finding::note(
            "it is a CI job: it takes pull requests only, and dbt cancels the run of an older \
             commit by itself",
        )),
        _ => findings.push(Finding::note("it is no CI job: its runs follow one after another")),
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_that_would_run_twice_is_a_problem() {
        let problems = |job: Value| {
            of_job(&job).into_iter().filter(|finding| finding.help.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(problems(json!({"state": 1, "job_type": "ci", "triggers": {}})), []);
        for trigger in ["github_webhook", "git_provider_webhook"] {
            let found = problems(json!({"state": 1, "triggers": {trigger: true}}));
            assert!(found.iter().any(|it| it.what.contains("run twice")), "{found:?}");
        }
        assert_eq!(problems(json!({"state": 2})).len(), 1);
    }
}
