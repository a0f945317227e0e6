//! The state of GitHub: one private repository, its workflow, its runs, and who may ask.

use std::collections::BTreeMap;

use super::app::{App, private_key};
use super::conditional::conditional;
use super::limits::{Limits, Usage};
use super::token::{Level, Token};
use super::workflow::Workflow;
use crate::faults::Faults;
use crate::http::{Request, Response};
use crate::journal::Journal;
use crate::neighbour::Neighbour;
use crate::random::Random;
use crate::systems::{Builds, State, System};

/// Ids of runs have long outgrown 32 bits.
const FIRST_RUN: u64 = 19_000_000_001;
/// Which of the tokens is which.
const MAIN: usize = 0;
const READ_ONLY: usize = 1;
const CLASSIC: usize = 2;
const OUTSIDER: usize = 3;

/// What becomes of `return_run_details` in a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunDetails {
    /// The id of the run is in the answer, as since 2026-02.
    Given,
    /// The answer is empty all the same.
    Ignored,
    /// The field is unknown, as on an older server of one's own.
    Refused,
}

/// A run, besides what every build has.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) title: String,
    pub(super) branch: String,
    pub(super) head_sha: String,
    /// Counts up with each re-run.
    pub(super) attempt: u32,
    /// Status and conclusion that a test has set in place of those of the state.
    pub(super) shown: Option<(String, Option<String>)>,
}

/// GitHub with one private repository.
#[derive(Debug, Clone)]
pub struct World {
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    /// How often each token may ask.
    pub limits: Limits,
    /// The workflow, as its file has it.
    pub workflow: Workflow,
    /// What becomes of `return_run_details`.
    pub run_details: RunDetails,
    /// How long after its start a run appears in lists.
    pub list_lag_ms: i64,
    pub(super) base_url: String,
    pub(super) repository: String,
    pub(super) run_input: String,
    pub(super) default_branch: String,
    /// By full name, the commit.
    pub(super) refs: BTreeMap<String, String>,
    pub(super) builds: Builds,
    pub(super) runs: BTreeMap<u64, Run>,
    pub(super) tokens: Vec<Token>,
    pub(super) usage: Usage,
    pub(super) app: App,
    pub(super) webhook_secret: String,
    pub(super) random: Random,
}

impl World {
    /// The repository `octo-org/pipelines` with the branch `main` and the workflow `build.yml`,
    /// which declares the input `azdo_gateway_run` and shows it in the name of its runs.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed ^ 0x6174);
        let tokens = vec![
            Token::fine_grained(&mut random, Level::Write),
            Token::fine_grained(&mut random, Level::Read),
            Token::classic(&mut random),
            Token { sees_repository: false, ..Token::fine_grained(&mut random, Level::Write) },
        ];
        let app = App {
            id: 100_000 + random.below(900_000),
            installation: 10_000_000 + random.below(80_000_000),
            actions: Level::Write,
            issued: 0,
        };
        let run_input = "azdo_gateway_run".to_owned();
        Self {
            faults: Faults::seeded(seed ^ 0x6174),
            journal: Journal::default(),
            limits: Limits::default(),
            workflow: Workflow::carrying(&run_input),
            run_details: RunDetails::Given,
            list_lag_ms: 3_000,
            base_url: "http://github.invalid".to_owned(),
            repository: "octo-org/pipelines".to_owned(),
            run_input,
            default_branch: "main".to_owned(),
            refs: BTreeMap::from([("refs/heads/main".to_owned(), random.sha())]),
            builds: Builds::numbered_from(FIRST_RUN),
            runs: BTreeMap::new(),
            tokens,
            usage: Usage::default(),
            app,
            webhook_secret: random.sha(),
            random,
        }
    }

    /// `owner/name`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// A fine-grained personal access token with Actions: write.
    pub fn token(&self) -> &str {
        self.secret(MAIN)
    }

    /// A fine-grained personal access token with Actions: read.
    pub fn read_only_token(&self) -> &str {
        self.secret(READ_ONLY)
    }

    /// A classic personal access token with the scope `repo`.
    pub fn classic_token(&self) -> &str {
        self.secret(CLASSIC)
    }

    /// A valid token that does not see the repository.
    pub fn outsider_token(&self) -> &str {
        self.secret(OUTSIDER)
    }

    fn secret(&self, which: usize) -> &str {
        self.tokens.get(which).map_or("", |token| &token.secret)
    }

    /// The id of the App.
    pub fn app_id(&self) -> u64 {
        self.app.id
    }

    /// The id of the App's installation.
    pub fn installation(&self) -> u64 {
        self.app.installation
    }

    /// The App's private key as GitHub hands it out, PKCS#1 in PEM.
    pub fn private_key(&self) -> String {
        private_key()
    }

    /// How many tokens of the installation were issued.
    pub fn issued_tokens(&self) -> u32 {
        self.app.issued
    }

    /// Makes the tokens of the installation invalid, as its removal does.
    pub fn revoke_issued_tokens(&mut self) {
        self.tokens.retain(|token| token.expires_ms.is_none());
    }

    /// Takes Actions: write from the installation; read is left.
    pub fn restrict_installation(&mut self) {
        self.app.actions = Level::Read;
    }

    /// Lets [`World::token`] read files: Contents: read.
    pub fn permit_contents(&mut self) {
        if let Some(token) = self.tokens.get_mut(MAIN) {
            token.contents = Level::Read;
        }
    }

    /// The key of the webhook's signature.
    pub fn webhook_secret(&self) -> &str {
        &self.webhook_secret
    }

    /// Adds a branch or tag by its full name, such as `refs/tags/v1`.
    pub fn add_ref(&mut self, name: &str) {
        let sha = self.random.sha();
        self.refs.insert(name.to_owned(), sha);
    }

    /// From which input the run id is read, for [`crate::systems::Build::run`]. It has to be
    /// declared, too.
    pub fn set_run_input(&mut self, name: &str) {
        name.clone_into(&mut self.run_input);
    }

    /// Shows a status and a conclusion in place of those of the build's state, such as `waiting`,
    /// or `completed` and `stale`. A re-run ends that.
    pub fn show(&mut self, number: u64, status: &str, conclusion: Option<&str>) {
        if let Some(run) = self.runs.get_mut(&number) {
            run.shown = Some((status.to_owned(), conclusion.map(str::to_owned)));
        }
    }

    /// Runs a build again: it keeps its id and is queued. Whether there is such a build.
    pub fn rerun(&mut self, number: u64) -> bool {
        let (Some(_), Some(run)) = (self.builds.get(number), self.runs.get_mut(&number)) else {
            return false;
        };
        run.attempt += 1;
        run.shown = None;
        self.builds.set_state(number, State::Queued);
        true
    }

    /// Status and conclusion of a build.
    pub(super) fn status(&self, number: u64) -> (String, Option<String>) {
        if let Some(shown) = self.runs.get(&number).and_then(|run| run.shown.clone()) {
            return shown;
        }
        let state = self.builds.get(number).map_or(State::Queued, |build| build.state);
        let (status, conclusion) = match state {
            State::Queued => ("queued", None),
            State::Running => ("in_progress", None),
            State::Succeeded => ("completed", Some("success")),
            State::Failed => ("completed", Some("failure")),
            State::Errored => ("completed", Some("startup_failure")),
            State::Cancelled => ("completed", Some("cancelled")),
        };
        (status.to_owned(), conclusion.map(str::to_owned))
    }
}

impl Neighbour for World {
    crate::neighbour::kept_in_fields!();

    fn answer(&mut self, request: &Request, now_ms: i64) -> Response {
        let response = self.route(request, now_ms).unwrap_or_else(|refusal| refusal);
        conditional(request, response)
    }
}

impl System for World {
    crate::systems::kept_in_fields!();

    fn callback(&self, number: u64, now_ms: i64) -> Option<Request> {
        self.delivery(number, now_ms)
    }
}
