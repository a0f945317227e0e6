//! The state of Woodpecker: one private repository, its pipelines, and who may ask.

use std::collections::BTreeMap;

use crate::faults::Faults;
use crate::http::{Request, Response};
use crate::journal::Journal;
use crate::neighbour::Neighbour;
use crate::random::Random;
use crate::systems::{Builds, State, System};

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// What every token begins with.
const TOKEN_HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// What the person behind a token may do with the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Push,
    Pull,
    None,
}

/// A pipeline, besides what every build has.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    /// The head of the branch when it was started.
    pub(super) commit: String,
    pub(super) message: String,
    /// Whether it was cancelled before it ran.
    pub(super) never_ran: bool,
    /// The status that a test has set in place of that of the state.
    pub(super) shown: Option<String>,
}

/// Woodpecker with one private repository.
#[derive(Debug, Clone)]
pub struct World {
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    /// Whether the filters of the configuration leave nothing to run.
    pub is_filtered: bool,
    /// In which variable the run id comes.
    pub run_variable: String,
    pub(super) base_url: String,
    pub(super) repository_id: u64,
    pub(super) repository: String,
    /// By name, the head.
    pub(super) branches: BTreeMap<String, String>,
    pub(super) builds: Builds,
    pub(super) pipelines: BTreeMap<u64, Pipeline>,
    tokens: Vec<(String, Access)>,
    random: Random,
}

impl World {
    /// The repository `group/pipelines` with the branch `main`.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed ^ 0x0D17);
        let tokens = [Access::Push, Access::Pull, Access::None].map(|access| {
            let (claims, signature) = (random.text(BASE62, 40), random.text(BASE62, 43));
            (format!("{TOKEN_HEADER}.{claims}.{signature}"), access)
        });
        Self {
            faults: Faults::seeded(seed ^ 0x0D17),
            journal: Journal::default(),
            is_filtered: false,
            run_variable: "RUN".to_owned(),
            base_url: "http://woodpecker.invalid".to_owned(),
            repository_id: 7,
            repository: "group/pipelines".to_owned(),
            branches: BTreeMap::from([("main".to_owned(), random.sha())]),
            builds: Builds::numbered_from(1),
            pipelines: BTreeMap::new(),
            tokens: tokens.to_vec(),
            random,
        }
    }

    /// The id of the repository.
    pub fn repository_id(&self) -> u64 {
        self.repository_id
    }

    /// The token of a person who may push.
    pub fn token(&self) -> &str {
        self.secret(Access::Push)
    }

    /// The token of a person who may only read.
    pub fn read_only_token(&self) -> &str {
        self.secret(Access::Pull)
    }

    /// The token of a person who does not see the repository.
    pub fn outsider_token(&self) -> &str {
        self.secret(Access::None)
    }

    /// Adds a branch, or moves its head.
    pub fn push(&mut self, branch: &str) {
        let head = self.random.sha();
        self.branches.insert(branch.to_owned(), head);
    }

    /// Shows a status in place of that of the build's state, such as `blocked` or `declined`.
    pub fn show(&mut self, number: u64, status: &str) {
        if let Some(pipeline) = self.pipelines.get_mut(&number) {
            pipeline.shown = Some(status.to_owned());
        }
    }

    fn secret(&self, wanted: Access) -> &str {
        let mut tokens = self.tokens.iter();
        tokens.find(|(_, access)| *access == wanted).map_or("", |(secret, _)| secret)
    }

    /// What a token permits; none for an unknown one.
    pub(super) fn access_of(&self, secret: &str) -> Option<Access> {
        self.tokens.iter().find(|(known, _)| known == secret).map(|(_, access)| *access)
    }

    pub(super) fn status(&self, number: u64) -> String {
        let pipeline = self.pipelines.get(&number);
        if let Some(shown) = pipeline.and_then(|pipeline| pipeline.shown.clone()) {
            return shown;
        }
        let never_ran = pipeline.is_some_and(|pipeline| pipeline.never_ran);
        let status = match self.builds.get(number).map_or(State::Queued, |build| build.state) {
            State::Queued => "pending",
            State::Running => "running",
            State::Succeeded => "success",
            State::Failed => "failure",
            State::Errored => "error",
            State::Cancelled if never_ran => "canceled",
            State::Cancelled => "killed",
        };
        status.to_owned()
    }
}

impl Neighbour for World {
    crate::neighbour::kept_in_fields!();

    fn answer(&mut self, request: &Request, now_ms: i64) -> Response {
        self.route(request, now_ms).unwrap_or_else(|refusal| refusal)
    }
}

impl System for World {
    crate::systems::kept_in_fields!();
}
