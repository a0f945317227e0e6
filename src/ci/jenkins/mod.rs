//! CI kind `jenkins`: a job of Jenkins, through its remote API.
//!
//! A start makes an item in the queue, whose id is the run's id at the CI. It becomes a build with
//! a number of its own; the build knows the item's id for as long as it exists, the queue only for
//! five minutes. A parameter of the job carries our run id. Source: docs/ci.md, "Jenkins".

mod answers;
mod cancel;
mod check;
mod errors;
mod find;
mod parameters;
mod poll;
mod trigger;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::Value;
use url::Url;

use super::client::{Answer, Call, Client};
use super::error::{Error, unfit};
use super::options::Kind;
use super::system::{Cancelled, Finding, Observed, System};
use super::trigger::Trigger;
use super::urls::below;
use crate::domain::follow::Abilities;
use crate::domain::run::{Run, Started};
use crate::secret::Secret;

/// More numbers of builds are not kept in memory.
const NUMBERS_MAX: usize = 4_096;

/// The keys of this kind.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address of the job.
    pub url: Url,
    pub user: String,
    /// An API token of that user: with a password Jenkins would want a crumb, too.
    pub token: Secret,
    /// The parameter that carries our run id; empty for none.
    pub parameter: String,
}

impl Options {
    /// The address of Jenkins itself: what is before the folders, jobs and views. None where the
    /// address is not that of a job.
    pub fn root(&self) -> Option<Url> {
        let segments: Vec<&str> = self.url.path_segments()?.collect();
        segments.iter().position(|segment| *segment == "job")?;
        let end = segments.iter().position(|segment| matches!(*segment, "job" | "view"))?;
        let mut root = self.url.clone();
        root.set_path(&segments.get(..end)?.join("/"));
        Some(root)
    }
}

impl Kind for Options {
    fn abilities(&self) -> Abilities {
        let finds = !self.parameter.is_empty();
        Abilities { finds, polls: true, cancels: true, ..Abilities::default() }
    }

    fn secrets(&self) -> Vec<Secret> {
        // The header with both is as good as the token.
        let pair = STANDARD.encode(format!("{}:{}", self.user, self.token.expose()));
        vec![self.token.clone(), Secret::new(pair)]
    }

    fn account(&self, _name: &str) -> String {
        let root = self.root().unwrap_or_else(|| self.url.clone());
        let path = root.path().trim_end_matches('/');
        format!("jenkins {}{path} {}", self.url.authority(), self.user)
    }

    fn system(&self, client: Client) -> Arc<dyn System> {
        let root = self.root().unwrap_or_else(|| self.url.clone());
        Arc::new(Jenkins { options: self.clone(), root, client, numbers: Mutex::default() })
    }
}

/// See the module.
#[derive(Debug)]
struct Jenkins {
    options: Options,
    root: Url,
    client: Client,
    /// Numbers of builds by the ids of their items. What is missing here is asked for.
    numbers: Mutex<BTreeMap<String, u64>>,
}

impl Jenkins {
    /// An address below the job.
    fn of_job(&self, segments: &[&str]) -> Url {
        below(&self.options.url, segments.iter().copied())
    }

    /// The data below an address of the job, only what `tree` names.
    fn job_data(&self, segments: &[&str], tree: &str) -> Call {
        data_of(self.of_job(segments), tree)
    }

    /// The data below an address of Jenkins itself, only what `tree` names.
    fn root_data(&self, segments: &[&str], tree: &str) -> Call {
        data_of(below(&self.root, segments.iter().copied()), tree)
    }

    /// Sends a call with our credential.
    async fn send(&self, call: Call) -> Result<Answer, Error> {
        self.client.send(call.basic(&self.options.user, &self.options.token)).await
    }

    /// The data that a call answers.
    ///
    /// # Errors
    /// The answer has none: see [`errors::failure`].
    async fn data(&self, call: Call) -> Result<Value, Error> {
        let answer = self.send(call).await?;
        match answer.json() {
            data if answer.status.is_success() && data.is_object() => Ok(data),
            _ => Err(errors::failure(&self.client, &answer)),
        }
    }

    fn number(&self, item: &str) -> Option<u64> {
        self.numbers.lock().get(item).copied()
    }

    fn remember(&self, item: &str, number: u64) {
        let mut numbers = self.numbers.lock();
        if numbers.len() >= NUMBERS_MAX {
            numbers.clear();
        }
        numbers.insert(item.to_owned(), number);
    }
}

fn data_of(above: Url, tree: &str) -> Call {
    let mut url = below(&above, ["api", "json"]);
    url.query_pairs_mut().append_pair("tree", tree);
    Call::get(url)
}

/// The id of a run's item in the queue.
fn item_of(run: &Run) -> Result<&str, Error> {
    let id = run.ci_id.as_deref().filter(|id| is_id(id));
    id.ok_or_else(|| unfit("the id of its item in the queue of Jenkins is not known"))
}

fn is_id(text: &str) -> bool {
    (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[async_trait]
impl System for Jenkins {
    fn start_call(&self, trigger: &Trigger<'_>) -> Result<Call, Error> {
        Ok(self.build_call(&self.values(trigger)?))
    }

    async fn start(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        self.start_build(trigger).await
    }

    async fn find(&self, run: &Run) -> Result<Option<Started>, Error> {
        self.find_run(run).await
    }

    async fn poll(&self, runs: &[&Run]) -> Vec<Result<Observed, Error>> {
        self.poll_runs(runs).await
    }

    async fn cancel(&self, run: &Run, _reason: &str) -> Result<Cancelled, Error> {
        self.cancel_run(run).await
    }

    async fn check(&self) -> Vec<Finding> {
        self.findings().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jenkins_is_above_its_jobs() {
        for (job, root) in [
            ("https://ci.example/job/web", Some("https://ci.example/")),
            ("https://ci.example/jenkins/job/a%20b/job/web", Some("https://ci.example/jenkins")),
            ("https://ci.example/j/view/all/job/web", Some("https://ci.example/j")),
            ("https://ci.example/jenkins", None),
            ("https://ci.example/", None),
        ] {
            let options = Options {
                url: job.parse().unwrap(),
                user: "gateway".to_owned(),
                token: Secret::new("token".to_owned()),
                parameter: String::new(),
            };
            assert_eq!(options.root().as_ref().map(Url::as_str), root, "{job}");
        }
    }
}
