//! One CI of a kind, beside the other fakes, and a gateway that uses it.

use azdo_gateway::clock::Clock;
use fakes::ado::Permission;
use fakes::faults::{Action, Rule};
use fakes::http::Request;
use fakes::journal::{Entry, Journal};
use fakes::systems::{Build, Builds, State, System};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::harness::{Api, Binary, Env, InProcess, POLL_INTERVAL, Settings, WAIT_MAX, check};

/// The name of the CI at the fakes.
pub(super) const NAME: &str = "system";

/// What a configuration may have that the CI refuses to start, words of the refusal, and whether
/// `ci check` finds it before.
pub(super) type Refusal = (fn(&mut Settings), &'static str, bool);

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
    /// A method and a part of the target of the call that asks how several builds are; none where
    /// the system, or its configuration, has no list.
    pub(super) list: Option<(&'static str, &'static str)>,
    pub(super) refusals: &'static [Refusal],
    /// How often a start is sent that is answered with a redirect.
    pub(super) tries_when_redirected: usize,
    /// Whether it can be asked for a run by the gateway's id.
    pub(super) finds: bool,
    /// Whether its callbacks are signed together with the time.
    pub(super) signs_time: bool,
    /// Whether a 429 locks the account out for minutes.
    pub(super) locks_out: bool,
    /// The status of a build that errored; some systems do not tell that from a failure.
    pub(super) state_of_errored: &'static str,
    /// The status of a build that was cancelled at the CI; Airflow calls that a failure.
    pub(super) state_of_cancelled: &'static str,
}

impl Kind {
    /// What most kinds have in common. A row sets the rest.
    pub(super) const USUAL: Kind = Kind {
        seed: 0,
        configure: |_| Configured::default(),
        start: ("", ""),
        cancel: ("", ""),
        poll: ("", ""),
        list: None,
        refusals: &[],
        tries_when_redirected: 1,
        finds: true,
        signs_time: false,
        locks_out: false,
        state_of_errored: "error",
        state_of_cancelled: "error",
    };
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
        settings.ci = Some(keys.clone());
        settings.add_to_ci(&format!("poll_interval = \"{poll_interval}\""));
        settings.add_to_ci(&format!("poll_interval_max = \"{poll_interval}\""));
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

    /// Ends what makes calls fail.
    pub(super) fn heals(&self) {
        match self.configured.pipeline {
            Some(_) => self.env.shell.ado(|ado| ado.faults.clear()),
            None => self.system(|system| system.faults().clear()),
        }
    }

    /// An address at the fakes where nothing is, and nobody should ask.
    pub(super) fn elsewhere(&self) -> String {
        format!("{}/elsewhere", self.env.shell.url())
    }

    pub(super) fn requests_elsewhere(&self) -> usize {
        self.env.shell.ado(|ado| {
            let asked = ado.journal.entries().filter(|it| it.target.contains("/elsewhere"));
            asked.count()
        })
    }

    /// Makes the answers of a system of its own link to there, where they have links.
    pub(super) fn links_to(&self, base: &str) {
        if self.configured.pipeline.is_none() {
            self.system(|system| system.set_base_url(base));
        }
    }

    /// Whether it is called as the linked service user, whose rights Azure DevOps does not tell
    /// before they are used.
    pub(super) fn has_no_token(&self) -> bool {
        self.configured.pipeline.is_some()
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

    /// Makes the CI forget a build.
    pub(super) fn forget(&self, build: &Build) {
        self.with_builds(|builds| builds.delete(build.number));
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
        self.journal(|journal| journal.count(call.0, call.1))
    }

    fn journal<T>(&self, read: impl FnOnce(&Journal) -> T) -> T {
        match self.configured.pipeline {
            Some(_) => self.env.shell.ado(|ado| read(&ado.journal)),
            None => self.system(|system| read(system.journal())),
        }
    }

    /// When requests of that method and path were received, in milliseconds since 1970.
    pub(super) fn times_of(&self, call: (&str, &str)) -> Vec<i64> {
        let is_one = |entry: &&Entry| entry.method == call.0 && entry.target.contains(call.1);
        self.journal(|journal| journal.entries().filter(is_one).map(|one| one.at_ms).collect())
    }

    /// What the CI was asked for, oldest first.
    pub(super) fn targets(&self) -> Vec<String> {
        self.journal(|journal| journal.entries().map(|entry| entry.target.clone()).collect())
    }

    /// Waits until the gateway has put off a start, without a call to the CI.
    pub(super) async fn until_paused(&self, gateway: &Api) {
        let paused = async {
            let mut interval = tokio::time::interval(POLL_INTERVAL);
            while !gateway.text("/metrics").await.contains("result=\"paused\"") {
                interval.tick().await;
            }
        };
        let in_time = tokio::time::timeout(WAIT_MAX, paused).await;
        assert!(in_time.is_ok(), "no start was put off: {:?}", self.targets());
    }

    /// The callback of the CI about a build, as it would be sent now.
    pub(super) fn callback(&self, build: &Build) -> Request {
        self.callback_at(build, 0)
    }

    /// The same as it would be sent so much later.
    pub(super) fn callback_at(&self, build: &Build, later_ms: i64) -> Request {
        let now_ms = Clock::system().now().ms() + later_ms;
        self.system(|system| system.callback(build.number, now_ms)).expect("it has callbacks")
    }
}

/// The only run, or the newest.
pub(super) async fn run(api: &Api) -> Value {
    api.get("/v1/runs").await["items"][0].clone()
}

/// What `ci check` finds wrong, in plain words.
pub(super) async fn findings(api: &Api) -> Vec<String> {
    let (status, answer) = api.call(Method::POST, "/v1/ci/builder/check", None).await;
    assert!(status.is_success(), "{status}: {answer}");
    let findings = answer["findings"].as_array().expect("it lists findings");
    let problems = findings.iter().filter(|finding| finding["is_problem"] == true);
    let what = |finding: &Value| finding["what"].as_str().unwrap_or_default().to_owned();
    problems.map(what).collect()
}

/// A check whose input the CI does not know.
pub(super) fn with_undeclared_input(settings: &mut Settings) {
    settings.checks.push_str("inputs = { undeclared = \"x\" }\n");
}

/// Whether the newest run of a list is in that state.
pub(super) fn is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |runs| runs["items"][0]["state"] == state
}

/// Cancels a run as an operator does.
pub(super) async fn cancel(api: &Api, run: &Value) {
    let path = format!("/v1/runs/{}/cancel", run["id"].as_str().expect("a run has an id"));
    let (status, answer) = api.call(Method::POST, &path, None).await;
    assert!(status.is_success(), "{status}: {answer}");
}

/// Sends a callback to the gateway.
pub(super) async fn send(gateway: &str, callback: &Request) -> StatusCode {
    let url = format!("{gateway}/ci/builder/events");
    let mut request = reqwest::Client::new().post(url).body(callback.body.clone());
    for (name, value) in &callback.headers {
        request = request.header(name, value);
    }
    request.send().await.expect("the gateway answers").status()
}

/// No secret of the CI is in an answer of the API, in a status, or in this text.
pub(super) async fn assert_no_secret(world: &World, api: &Api, text: &str) {
    let mut texts = vec![text.to_owned()];
    for path in ["/v1/runs", "/v1/statuses", "/v1/deliveries", "/v1/audit", "/readyz"] {
        texts.push(api.text(path).await);
    }
    texts.push(api.text("/metrics").await);
    for (name, value) in &world.configured.variables {
        let shown = texts.iter().find(|text| text.contains(value.as_str()));
        assert!(shown.is_none(), "the value of {name} is in {shown:?}");
    }
}
