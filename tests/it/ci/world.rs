//! One CI of a kind, beside the other fakes, and a gateway that uses it.

use fakes::faults::{Action, Rule};
use fakes::http::Request;
use fakes::systems::{Build, State};
use reqwest::StatusCode;

use crate::harness::{Binary, Env, InProcess, Settings, check};

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
}

/// The configuration of a CI.
pub(super) struct Configured {
    pub(super) keys: String,
    pub(super) variables: Vec<(&'static str, String)>,
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
        InProcess::start_with(&self.env, settings).await
    }

    /// The real binary.
    pub(super) async fn binary(&self) -> Binary {
        Binary::start_with(&self.env, |settings| self.settings(settings, "1s")).await
    }

    /// Makes the next calls fail.
    pub(super) fn next_fails(&self, call: (&str, &str), count: u32, action: Action) {
        let rule = Rule::new(call.0, call.1, action).next(count);
        self.system(|system| system.faults().add(rule));
    }

    pub(super) fn system<T>(&self, act: impl FnOnce(&mut dyn fakes::systems::System) -> T) -> T {
        self.env.shell.system(NAME, act).expect("it was added")
    }

    /// All builds that were ever started.
    pub(super) fn builds(&self) -> Vec<Build> {
        self.system(|system| system.builds().all().to_vec())
    }

    pub(super) fn set(&self, build: &Build, state: State) {
        self.system(|system| system.builds().set_state(build.number, state));
    }

    /// Waits until so many builds have been started. Returns the newest.
    pub(super) async fn until_builds(&self, count: usize) -> Build {
        let what = format!("{count} builds are started");
        self.until(&what, |builds| builds.len() >= count).await;
        self.builds().pop().expect("it was just there")
    }

    /// Waits until the builds are as wanted.
    pub(super) async fn until(&self, what: &str, wanted: impl Fn(&[Build]) -> bool) {
        let is_there = |_: &_, _: &_| {
            let builds = self.env.shell.system(NAME, |system| system.builds().all().to_vec());
            builds.is_some_and(|builds| wanted(&builds))
        };
        self.env.until(what, is_there).await;
    }

    /// How many requests of that method and path the CI has received.
    pub(super) fn requests(&self, call: (&str, &str)) -> usize {
        self.system(|system| system.journal().count(call.0, call.1))
    }

    /// The callback of the CI about a build, as it would be sent now.
    pub(super) fn callback(&self, build: &Build) -> Request {
        let now_ms = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("it is later than 1970")
            .as_millis();
        let now_ms = i64::try_from(now_ms).expect("it is not that late");
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
