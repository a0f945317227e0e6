//! Each kind of CI against its fake, without the gateway around it: what is started, found, polled
//! and cancelled, what refusals say, and which callbacks are believed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azdo_gateway::ci::{
    Callback, CallbackError, Common, Error, Finding, Kind, Mentioned, Observed, Options, Systems,
    Trigger,
};
use azdo_gateway::clock::Clock;
use azdo_gateway::domain::id::RunId;
use azdo_gateway::domain::run::{Reported, Run, Started};
use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::secret::Secret;
use fakes::faults::{Action, Rule};
use fakes::http::{Request, Response};
use fakes::shell::Shell;
use fakes::systems::{State, System};

use crate::storage::make;

mod dbt_cloud;
mod github_actions;
mod gitlab;
mod http;
mod jenkins;
mod mutual_tls;

/// The name of the CI, in the configuration and at the shell.
const NAME: &str = "builder";
const OUR_ID: &str = "0199a3c1-3b5e-7000-8000-000000000001";
const OTHER_ID: &str = "0199a3c1-3b5e-7000-8000-000000000002";

/// One CI of a kind, and its fake.
struct Adapter {
    shell: Shell,
    systems: Systems,
    clock: Clock,
}

fn common() -> Common {
    Common {
        concurrency: None,
        requests_per_minute: None,
        call_timeout: Duration::from_secs(15),
        poll_interval: Duration::from_secs(10),
        poll_interval_max: Duration::from_secs(60),
        ca_file: None,
    }
}

impl Adapter {
    /// `options` are the keys of the kind for the fake at this address.
    fn new<W: System>(world: W, options: impl FnOnce(&W, &str) -> Arc<dyn Kind>) -> Self {
        let ado = fakes::ado::World::new(7, fakes::ado::Options::loopback());
        let shell = Shell::start(ado, fakes::ci::World::new(7), None).unwrap();
        let url = format!("{}/{NAME}", shell.url());
        let kind = options(&world, &url);
        shell.add_system(NAME, Box::new(world));
        let common = common();
        let http = |_| {
            let builder = reqwest::Client::builder().no_proxy().user_agent("azdo-gateway/test");
            let builder = builder.redirect(reqwest::redirect::Policy::none());
            builder.build().map_err(|error| error.to_string())
        };
        let clock = Clock::system();
        let options =
            BTreeMap::from([(NAME.to_owned(), Options { kind_name: "tested", common, kind })]);
        let systems = Systems::new(&http, &clock, &Default::default(), options).unwrap();
        Self { shell, systems, clock }
    }

    /// A planned run of pull request 7.
    fn run(&self, id: &str) -> Run {
        let now = self.clock.now();
        let base = make::run(1, "unit", 'a');
        let (ci, id) = (NAME.to_owned(), id.parse::<RunId>().unwrap());
        Run { id, ci, created_at: now, updated_at: now, ..base }
    }

    fn trigger<'a>(&self, run: &'a Run) -> Trigger<'a> {
        Trigger {
            run,
            attempt: 1,
            clone_url: "https://dev.azure.com/fabrikam/Fabrikam/_git/web".to_owned(),
            report_url: "https://gateway.example/report".to_owned(),
            report_token: Secret::new("azgwr_report-token".to_owned()),
            sent_at: Timestamp::from_ms(1_790_000_000_000),
        }
    }

    async fn start(&self, run: &Run) -> Result<Started, Error> {
        self.systems.start(NAME, &self.trigger(run)).await
    }

    /// Starts a run and returns it as it is afterwards, with its number at the CI.
    async fn started(&self, id: &str) -> (Run, u64) {
        let run = self.run(id);
        let Started::Accepted { ci_id, url } = self.start(&run).await.unwrap() else {
            panic!("the start is refused");
        };
        assert!(url.as_ref().is_some_and(|url| url.starts_with(self.shell.url())), "{url:?}");
        let number = ci_id.as_ref().and_then(|id| id.parse().ok()).unwrap();
        (Run { ci_id, url, ..run }, number)
    }

    /// What a refused start says.
    async fn refusal(&self, run: &Run) -> String {
        match self.start(run).await.unwrap() {
            Started::Refused(words) => words,
            accepted => panic!("it is not refused: {accepted:?}"),
        }
    }

    async fn find(&self, run: &Run) -> Result<Option<String>, Error> {
        let found = self.systems.find(NAME, run).await?;
        Ok(found.map(|found| match found {
            Started::Accepted { ci_id, .. } => ci_id.unwrap(),
            other => panic!("it is not known there: {other:?}"),
        }))
    }

    async fn poll(&self, run: &Run) -> Result<Observed, Error> {
        self.systems.poll(NAME, &[run]).await.remove(0)
    }

    /// A start whose answer is lost is found by its id, and no other run is taken for it.
    async fn assert_lost_start_is_found(&self, path_part: &str) {
        let run = self.run(OUR_ID);
        self.started(OTHER_ID).await;
        assert_eq!(self.find(&run).await, Ok(None));
        self.fail_next("POST", path_part, Action::DropAfter);
        self.assert_ambiguous(&run).await;
        let number = self.system(|system| system.builds().all()[1].number.to_string());
        self.started(OTHER_ID).await;
        assert_eq!(self.find(&run).await, Ok(Some(number)));
        let older = Run { created_at: self.clock.now().plus(Duration::from_secs(120)), ..run };
        assert_eq!(self.find(&older).await, Ok(None), "it is not looked for in older runs");
    }

    /// The next start leaves in doubt whether it happened.
    async fn assert_ambiguous(&self, run: &Run) {
        let answer = self.start(run).await;
        assert!(matches!(answer, Err(Error::Ambiguous { .. })), "{answer:?}");
    }

    /// A success whose body does not say what was started leaves the start in doubt.
    async fn assert_unreadable_success_is_ambiguous(&self, path_part: &str, status: u16) {
        let empty = Response::json(status, &serde_json::json!({}));
        for body in [empty, Response::html(200, "<html>")] {
            self.fail_next("POST", path_part, Action::Respond(body));
            self.assert_ambiguous(&self.run(OUR_ID)).await;
        }
    }

    /// Puts a run into each state, and expects a poll of it alone, and a poll of it together with a
    /// second run that goes on, to say `Reported` for it. The number is how many requests the poll
    /// of both makes.
    async fn assert_states(&self, states: [(State, Reported, usize); 6]) -> [(Run, u64); 2] {
        let (first, number) = self.started(OUR_ID).await;
        let (second, other) = self.started(OTHER_ID).await;
        for (state, expected, requests) in states {
            self.set_state(number, state);
            let observed = self.poll(&first).await.unwrap();
            assert_eq!((observed.state, observed.url), (expected, first.url.clone()), "{state:?}");
            let before = self.requests();
            let both = self.systems.poll(NAME, &[&second, &first]).await;
            assert_eq!(self.requests(), before + requests, "{state:?}");
            let states: Vec<_> = both.into_iter().map(|one| one.unwrap().state).collect();
            assert_eq!(states, [Reported::Running, expected]);
        }
        [(first, number), (second, other)]
    }

    /// A run that the list lacks is asked for by itself.
    async fn assert_unlisted_is_asked_for(&self, [(first, _), (second, other)]: [(Run, u64); 2]) {
        self.system(|system| system.builds().delete(other));
        let both = self.systems.poll(NAME, &[&second, &first]).await;
        assert!(both[0].as_ref().is_err_and(Error::is_gone), "{both:?}");
        assert!(both[1].is_ok());
    }

    /// What `ci check` finds wrong, and what it only notes.
    async fn check(&self) -> (Vec<String>, Vec<String>) {
        let findings = self.systems.check(NAME).await.unwrap();
        let (problems, notes): (Vec<Finding>, Vec<Finding>) =
            findings.into_iter().partition(|finding| finding.help.is_some());
        let what = |findings: Vec<Finding>| findings.into_iter().map(|it| it.what).collect();
        (what(problems), what(notes))
    }

    fn set_state(&self, number: u64, state: State) {
        self.system(|system| system.builds().set_state(number, state));
    }

    fn system<T>(&self, act: impl FnOnce(&mut dyn System) -> T) -> T {
        self.shell.system(NAME, act).unwrap()
    }

    fn world<W: System, T>(&self, act: impl FnOnce(&mut W) -> T) -> T {
        self.shell.system_as(NAME, act).unwrap()
    }

    /// How many builds were started.
    fn builds(&self) -> usize {
        self.system(|system| system.builds().all().len())
    }

    /// How many requests the fake has received.
    fn requests(&self) -> usize {
        self.system(|system| system.journal().entries().len())
    }

    /// Lets a fault apply to the next such request.
    fn fail_next(&self, method: &str, path_part: &str, action: Action) {
        let rule = Rule::new(method, path_part, action).next(1);
        self.system(|system| system.faults().add(rule));
    }

    /// What the fake's callback about a build is read as, after `change`.
    fn callback(
        &self,
        number: u64,
        change: impl FnOnce(&mut Request),
    ) -> Result<Vec<Mentioned>, CallbackError> {
        let now = self.clock.now();
        let mut request = self.system(|system| system.callback(number, now.ms())).unwrap();
        change(&mut request);
        let callback = Callback { headers: &request.headers, body: &request.body, now };
        self.systems.read_callback(NAME, &callback)
    }

    /// The next call is not made, since the account is paused.
    async fn assert_paused(&self, run: &Run) {
        let before = self.requests();
        let answer = self.poll(run).await;
        assert!(matches!(answer, Err(Error::Paused { .. })), "{answer:?}");
        assert_eq!(self.requests(), before);
        assert_eq!(self.systems.take_new_pauses().len(), 1);
    }
}

/// The same request with another value of a header.
fn replace_header(request: &mut Request, name: &str, value: &str) {
    let header = request.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name));
    value.clone_into(&mut header.unwrap().1);
}
