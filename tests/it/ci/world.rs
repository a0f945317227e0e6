//! One CI of a kind, beside the other fakes, and a gateway that uses it.

use azdo_gateway::clock::Clock;
use fakes::ado::Permission;
use fakes::faults::{Action, Rule};
use fakes::http::Request;
use fakes::systems::{Build, Builds, State, System};
use reqwest::StatusCode;

use crate::harness::{Binary, Env, InProcess, POLL_INTERVAL, Settings, WAIT_MAX, check};

/// The name of the CI at the fakes.
pub(super) const NAME: &str = "system";

/// A kind of CI: how the fake is set up, and what its calls look like.
pub(super) struct Kind {
    /// A seed of its own.
    pub(super) seed: u64,
    /// Adds the fake to the shell below `NAME`, and tells the keys of `[ci.builder]` and the
    /// variables that they name.
    pub(super) configure: fn(&Env) -> Configured,
    /// The method and a part of the path of each call.
    pub(super) start: (&'static str, &'static str),
    pub(super) cancel: (&'static str, &'static str),
    /// Of the call that asks how a build is.
    pub(super) poll: (&'static str, &'static str),
    /// Whether it sends callbacks.
    pub(super) has_callbacks: bool,
    /// Whether a 429 locks the account out for minutes.
    pub(super) locks_out: bool,
    /// The status of a build that errored; some systems do not tell that from a failure.
    pub(super) state_of_errored: &'static str,
    /// The status of a build that was cancelled at the CI; Airflow calls that a failure.
    pub(super) state_of_cancelled: &'static str,
}

/// The configuration of a CI.
#[derive(Default)]
pub(super) struct Configured {
    pub(super) keys: String,
    /// The first one is the token that starts builds.
    pub(super) variables: Vec<(&'static str, String)>,
    /// The pipeline of Azure Pipelines, which is called as the linked service user; none for a
    /// system of its own.
    pub(super) pipeline: Option<u64>,
}

/// The fakes with one CI of a kind.
pub(super) struct World {
    pub(super) env: Env,
    configured: Configured,
}

impl World {
    pub(super) fn new(kind: &Kind) -> Self {
        let env = Env::new(kind.seed);
        let configured = (kind.configure)(&env);
        Self { env, configured }
    }

    /// The secrets of the configuration.
    pub(super) fn variables(&self) -> &[(&'static str, String)] {
        &self.configured.variables
    }

    /// Applies the configuration, with a check that may take its time.
    pub(super) fn settings(&self, settings: &mut Settings, poll_interval: &str) {
        let keys = &self.configured.keys;
        settings.ci = Some(format!("poll_interval = \"{poll_interval}\"\n{keys}"));
        settings.checks = check("build", "on = [\"pull_request\"]");
        if self.configured.pipeline.is_some() {
            settings.credential = self.env.service_user("");
        }
        for (name, value) in &self.configured.variables {
            settings.environment.insert((*name).to_owned(), value.clone());
        }
    }

    /// A gateway in this process that polls every second.
    pub(super) async fn gateway(&self) -> InProcess {
        self.gateway_with("1s", |_| {}).await
    }

    pub(super) async fn gateway_with(
        &self,
        poll_interval: &str,
        change: impl FnOnce(&mut Settings),
    ) -> InProcess {
        let settings = |settings: &mut Settings| {
            self.settings(settings, poll_interval);
            change(settings);
        };
        let gateway = InProcess::start_with(&self.env, settings).await;
        self.link(&gateway.url).await;
        gateway
    }

    async fn link(&self, gateway: &str) {
        if self.configured.pipeline.is_some() {
            self.env.link(gateway).await;
        }
    }

    /// Makes the CI refuse the credential that starts builds. Returns what no text may show.
    pub(super) fn refuse_credential(&self, settings: &mut Settings) -> String {
        let wrong = "wrong-token-of-nobody-0000000000000000".to_owned();
        match self.configured.pipeline {
            Some(id) => self.env.shell.ado(|ado| {
                ado.deny_for_pipeline(&self.env.identity, Permission::QueueBuilds, id);
            }),
            None => {
                let (name, _) = self.configured.variables.first().expect("it has a token");
                settings.environment.insert((*name).to_owned(), wrong.clone());
            }
        }
        wrong
    }

    /// The real binary.
    pub(super) async fn binary(&self) -> Binary {
        let change = |settings: &mut Settings| self.settings(settings, "1s");
        let gateway = Binary::start_with(&self.env, change).await;
        self.link(&gateway.url).await;
        gateway
    }

    /// Makes the next calls fail.
    pub(super) fn next_fails(&self, call: (&str, &str), count: u32, action: Action) {
        let rule = Rule::new(call.0, call.1, action).next(count);
        match self.configured.pipeline {
            Some(_) => self.env.shell.ado(|ado| ado.faults.add(rule)),
            None => self.system(|system| system.faults().add(rule)),
        }
    }

    fn system<T>(&self, act: impl FnOnce(&mut dyn System) -> T) -> T {
        self.env.shell.system(NAME, act).expect("it was added")
    }

    fn with_builds<T>(&self, act: impl FnOnce(&mut Builds) -> T) -> T {
        match self.configured.pipeline {
            Some(id) => self.env.shell.ado(|ado| act(ado.builds_of(id))),
            None => self.system(|system| act(system.builds())),
        }
    }

    /// All builds that were ever started.
    pub(super) fn builds(&self) -> Vec<Build> {
        self.with_builds(|builds| builds.all().to_vec())
    }

    pub(super) fn set(&self, build: &Build, state: State) {
        self.with_builds(|builds| builds.set_state(build.number, state));
    }

    /// Waits until so many builds have been started. Returns the newest.
    pub(super) async fn until_builds(&self, count: usize) -> Build {
        let what = format!("{count} builds are started");
        self.until(&what, |builds| builds.len() >= count).await;
        self.builds().pop().expect("it was just there")
    }

    /// Waits until the builds are as wanted.
    pub(super) async fn until(&self, what: &str, wanted: impl Fn(&[Build]) -> bool) {
        let reached = async {
            let mut changes = self.env.shell.changes();
            while !wanted(&self.builds()) {
                // A change of the builds is one of the fakes.
                drop(tokio::time::timeout(POLL_INTERVAL, changes.changed()).await);
            }
        };
        let in_time = tokio::time::timeout(WAIT_MAX, reached).await;
        assert!(in_time.is_ok(), "it did not happen in time that {what}: {:?}", self.builds());
    }

    /// How many requests of that method and path the CI has received.
    pub(super) fn requests(&self, call: (&str, &str)) -> usize {
        match self.configured.pipeline {
            Some(_) => self.env.shell.ado(|ado| ado.journal.count(call.0, call.1)),
            None => self.system(|system| system.journal().count(call.0, call.1)),
        }
    }

    /// The callback of the CI about a build, as it would be sent now.
    pub(super) fn callback(&self, build: &Build) -> Request {
        let now_ms = Clock::system().now().ms();
        self.system(|system| system.callback(build.number, now_ms)).expect("it has callbacks")
    }
}

/// Sends a callback to the gateway. Returns the status and the body of the answer.
pub(super) async fn send(gateway: &str, callback: &Request) -> (StatusCode, serde_json::Value) {
    let url = format!("{gateway}/ci/builder/events");
    let mut request = reqwest::Client::new().post(url).body(callback.body.clone());
    for (name, value) in &callback.headers {
        request = request.header(name, value);
    }
    let answer = request.send().await.expect("the gateway answers");
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}
