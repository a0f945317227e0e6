//! Whether the user, the job and its parameter are right.

use serde_json::Value;

use super::Jenkins;
use super::parameters::{self, declared};
use crate::ci::system::Finding;

const USER: &str = "write an API token of the user (Jenkins → the user → Security → API Token), \
                    and give the user Overall/Read and Job/Read, Build and Cancel";
const JOB: &str = "compare url with the address of the job's page, folders included; the user \
                   needs Job/Discover and Job/Read there";

impl Jenkins {
    pub(super) async fn findings(&self) -> Vec<Finding> {
        let tree = format!("fullName,buildable,{}", parameters::TREE);
        let job = match self.data(self.job_data(&[], &tree)).await {
            Ok(job) => job,
            Err(error) => return vec![Finding::unanswered(&error, USER, JOB)],
        };
        let name = job.get("fullName").and_then(Value::as_str).unwrap_or_default();
        let mut findings = vec![Finding::note(format!("the user reads the job {name:?}"))];
        findings.extend(of_job(&job, &self.options.parameter));
        let may = "whether the user may build and cancel is seen at the first build";
        findings.push(Finding::note(may));
        findings.push(Finding::note("Jenkins does not tell which triggers of its own a job has"));
        findings
    }
}

fn of_job(job: &Value, parameter: &str) -> Vec<Finding> {
    let class = job.get("_class").and_then(Value::as_str).unwrap_or_default();
    if class.contains("MultiBranch") || class.ends_with("Folder") {
        let what = "url is the address of a folder or of a multibranch job, which does not build";
        return vec![Finding::problem(what, "write the address of one job in it")];
    }
    let mut findings = Vec::new();
    if job.get("buildable").and_then(Value::as_bool) == Some(false) {
        findings.push(Finding::problem("the job is disabled", "enable it on the job's page"));
    }
    if parameter.is_empty() {
        let what = "without a parameter for the run id, a start whose answer is lost is repeated";
        findings.push(Finding::note(what));
        return findings;
    }
    let declared = declared(job);
    findings.push(match declared.iter().find(|one| one.name == parameter).map(|one| one.kind) {
        None => Finding::problem(
            format!("the job does not declare the parameter {parameter}"),
            format!(
                "add a string parameter {parameter} to the job; where a Jenkinsfile declares it, \
                 build the job once by hand"
            ),
        ),
        Some(kind) if !["StringParameterDefinition", "TextParameterDefinition"].contains(&kind) => {
            Finding::problem(
                format!("the parameter {parameter} is of the type {kind}"),
                "make it a string parameter: Jenkins has to take and to show any value",
            )
        }
        Some(_) => Finding::note(format!("the job declares the parameter {parameter}")),
    });
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_needs_the_parameter() {
        let problems = |job: Value, parameter: &str| {
            let found = of_job(&job, parameter).into_iter();
            found.filter(|it| it.help.is_some()).map(|it| it.what).collect::<Vec<_>>()
        };
        let with = |kind: &str| {
            json!({"buildable": true, "property": [{"parameterDefinitions": [
                {"name": "RUN", "type": kind},
            ]}]})
        };
        assert!(problems(with("StringParameterDefinition"), "RUN").is_empty());
        assert!(problems(json!({"buildable": true}), "").is_empty());
        for (job, parameter, what) in [
            (with("PasswordParameterDefinition"), "RUN", "of the type Password"),
            (with("StringParameterDefinition"), "RUN_ID", "does not declare the parameter RUN_ID"),
            (json!({"buildable": false}), "", "disabled"),
            (json!({"_class": "x.WorkflowMultiBranchProject"}), "RUN", "a multibranch job"),
        ] {
            let found = problems(job, parameter);
            assert!(found.len() == 1 && found.iter().all(|it| it.contains(what)), "{found:?}");
        }
    }
}
