//! Looks for a run by the parameter that carries its id: in the queue first, then among the builds,
//! so that an item that leaves meanwhile is seen.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::answers::{item_id, list};
use super::{Jenkins, is_id};
use crate::ci::error::Error;
use crate::ci::urls::web_url;
use crate::domain::run::{Run, Started};
use crate::domain::time::Timestamp;

const QUEUE: &str = "items[id,task[url],actions[parameters[name,value]]]";
const BUILDS: &str = "[number,queueId,timestamp,url,actions[parameters[name,value]]]";
/// Builds of one page: as many as a job lists without being asked for all.
pub(super) const PAGE: usize = 100;
const PAGES_MAX: usize = 4;
/// Clocks differ by less.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

impl Jenkins {
    pub(super) async fn find_run(&self, run: &Run) -> Result<Option<Started>, Error> {
        let parameter = &self.options.parameter;
        if parameter.is_empty() {
            return Ok(None);
        }
        let id = run.id.to_string();
        let is_ours = |found: &&Value| has_value(found, parameter, &id);
        let queue = self.data(self.root_data(&["queue"], QUEUE)).await.map_err(Error::of_all)?;
        // A build may hand the parameter on to another job.
        let items = list(&queue, "items").iter().filter(|item| self.is_of_job(item));
        if let Some(item) = items.rev().find(is_ours).and_then(|item| item.get("id")?.as_u64()) {
            return Ok(Some(Started::Accepted { ci_id: Some(item.to_string()), url: None }));
        }
        let since = run.created_at.minus(CLOCKS_DIFFER);
        for page in 0..PAGES_MAX {
            let key = if page == 0 { "builds" } else { "allBuilds" };
            let (from, to) = (page * PAGE, (page + 1) * PAGE);
            let tree = format!("{key}{BUILDS}{{{from},{to}}}");
            let job = self.data(self.job_data(&[], &tree)).await.map_err(Error::of_all)?;
            let page = list(&job, key);
            if let Some(started) = page.iter().find(is_ours).and_then(|it| self.started(it)) {
                return Ok(Some(started));
            }
            if page.len() < PAGE || page.last().is_some_and(|last| is_before(last, since)) {
                break;
            }
        }
        Ok(None)
    }

    fn started(&self, build: &Value) -> Option<Started> {
        let item = item_id(build).filter(|id| is_id(id))?;
        if let Some(number) = build.get("number").and_then(Value::as_u64) {
            self.remember(&item, number);
        }
        let url = web_url(build.get("url"));
        Some(Started::Accepted { ci_id: Some(item), url })
    }

    /// Whether an item is of this job: by the folders and names in its address, wherever Jenkins
    /// thinks that it is served.
    fn is_of_job(&self, item: &Value) -> bool {
        let url = item.pointer("/task/url").and_then(Value::as_str).unwrap_or_default();
        job_path(url).is_some_and(|path| Some(path) == job_path(self.options.url.as_str()))
    }
}

/// The folders and the job of an address, decoded: `/job/team a/job/web`.
fn job_path(url: &str) -> Option<String> {
    let begin = url.find("/job/")?;
    let path = url.get(begin..)?.trim_end_matches('/');
    Some(percent_decode_str(path).decode_utf8_lossy().into_owned())
}

fn is_before(build: &Value, since: Timestamp) -> bool {
    let at = build.get("timestamp").and_then(Value::as_i64);
    at.is_some_and(|at_ms| Timestamp::from_ms(at_ms) < since)
}

/// Whether an item or a build has this value of a parameter.
fn has_value(found: &Value, parameter: &str, value: &str) -> bool {
    let actions = list(found, "actions").iter();
    let mut parameters = actions.flat_map(|action| list(action, "parameters"));
    parameters.any(|one| {
        let text = |key: &str| one.get(key).and_then(Value::as_str);
        text("name") == Some(parameter) && text("value") == Some(value)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_compared_as_a_whole() {
        let build = json!({"actions": [{}, {"parameters": [
            {"name": "OTHER", "value": "7"}, {"name": "RUN", "value": "01"}, {"name": "ON"},
        ]}]});
        assert!(has_value(&build, "RUN", "01"));
        for (name, value) in [("RUN", "0"), ("RUN", "011"), ("OTHER", "01"), ("ON", "")] {
            assert!(!has_value(&build, name, value), "{name}={value}");
        }
        assert!(!has_value(&json!({}), "RUN", "01"));
    }

    #[test]
    fn jobs_are_compared_without_the_host() {
        let path = Some("/job/team a/job/web".to_owned());
        assert_eq!(job_path("https://ci/jenkins/job/team%20a/job/web"), path);
        assert_eq!(job_path("http://10.0.0.1:8080/job/team%20a/job/web/"), path);
        assert_ne!(job_path("http://10.0.0.1:8080/job/team%20a/job/web2/"), path);
    }
}
