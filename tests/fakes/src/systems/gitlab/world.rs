//! The state of GitLab: one private project, its pipelines, and who may ask.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::faults::Faults;
use crate::http::{Request, Response};
use crate::journal::Journal;
use crate::neighbour::Neighbour;
use crate::random::Random;
use crate::systems::{Builds, State, System};

/// Ids count over all projects of an instance.
const FIRST_PIPELINE: u64 = 2_300_000_001;
const TOKEN: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";
const HEX: &[u8] = b"0123456789abcdef";

/// How the webhook authenticates itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// `X-Gitlab-Token` is the secret.
    Token,
    /// Signed by Standard Webhooks.
    Signed,
}

/// What a token permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Api,
    ReadApi,
    /// `api`, of an account that is no member of the project.
    Outside,
}

/// A pipeline, besides what every build has.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    /// `trigger` or `api`.
    pub(super) source: &'static str,
    pub(super) sha: String,
    pub(super) is_tag: bool,
    pub(super) name: Option<String>,
    pub(super) variables: BTreeMap<String, String>,
    /// Whether the account of the access tokens started it.
    pub(super) is_own: bool,
    /// Status and error of the configuration that a test has set in place of those of the state.
    pub(super) shown: Option<(String, Option<String>)>,
}

/// GitLab with one private project.
#[derive(Debug, Clone)]
pub struct World {
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    /// Whether variables may be set when a pipeline is started.
    pub permits_variables: bool,
    /// Whether the access token has the role Maintainer and not only Developer.
    pub is_maintainer: bool,
    /// Whether the rules of the configuration leave no job.
    pub has_no_jobs: bool,
    /// `workflow: name`, with `$VARIABLE` and `$[[ inputs.NAME ]]`.
    pub pipeline_name: Option<String>,
    /// How the webhook authenticates itself.
    pub hook: Hook,
    /// The inputs that the configuration declares, and whether each must be given.
    pub inputs: BTreeMap<String, bool>,
    /// In which variable, or else input, the run id comes.
    pub run_variable: String,
    pub(super) base_url: String,
    pub(super) project_id: u64,
    pub(super) project: String,
    pub(super) branches: BTreeMap<String, String>,
    pub(super) tags: BTreeSet<String>,
    pub(super) builds: Builds,
    pub(super) pipelines: BTreeMap<u64, Pipeline>,
    pub(super) trigger_token: String,
    pub(super) hook_secret: String,
    pub(super) signing_token: String,
    tokens: Vec<(String, Scope)>,
    random: Random,
}

impl World {
    /// The project `group/pipelines` with the branch `main`, without declared inputs.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed ^ 0x617B);
        let tokens = [Scope::Api, Scope::ReadApi, Scope::Outside]
            .map(|scope| (format!("glpat-{}", random.text(TOKEN, 20)), scope));
        let key: Vec<u8> = (0..4).flat_map(|_| random.bits().to_le_bytes()).collect();
        Self {
            faults: Faults::seeded(seed ^ 0x617B),
            journal: Journal::default(),
            permits_variables: true,
            is_maintainer: false,
            has_no_jobs: false,
            pipeline_name: None,
            hook: Hook::Signed,
            inputs: BTreeMap::new(),
            run_variable: "AZDO_GATEWAY_RUN".to_owned(),
            base_url: "http://gitlab.invalid".to_owned(),
            project_id: 10_000 + random.below(90_000),
            project: "group/pipelines".to_owned(),
            branches: BTreeMap::from([("main".to_owned(), random.sha())]),
            tags: BTreeSet::new(),
            builds: Builds::numbered_from(FIRST_PIPELINE),
            pipelines: BTreeMap::new(),
            trigger_token: format!("glptt-{}", random.text(HEX, 40)),
            hook_secret: random.text(HEX, 32),
            signing_token: format!("whsec_{}", STANDARD.encode(key)),
            tokens: tokens.to_vec(),
            random,
        }
    }

    /// The path of the project.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The id of the project.
    pub fn project_id(&self) -> u64 {
        self.project_id
    }

    /// A project access token with the scope `api`.
    pub fn token(&self) -> &str {
        self.secret(Scope::Api)
    }

    /// A project access token with the scope `read_api`.
    pub fn read_only_token(&self) -> &str {
        self.secret(Scope::ReadApi)
    }

    /// A valid token of an account that does not see the project.
    pub fn outsider_token(&self) -> &str {
        self.secret(Scope::Outside)
    }

    /// The token that does nothing but start pipelines. It acts as its owner, who is not the
    /// account of the access tokens.
    pub fn trigger_token(&self) -> &str {
        &self.trigger_token
    }

    /// The secret of the webhook, in the scheme that it uses.
    pub fn webhook_secret(&self) -> &str {
        match self.hook {
            Hook::Token => &self.hook_secret,
            Hook::Signed => &self.signing_token,
        }
    }

    fn secret(&self, wanted: Scope) -> &str {
        let mut tokens = self.tokens.iter();
        tokens.find(|(_, scope)| *scope == wanted).map_or("", |(secret, _)| secret)
    }

    /// What a token permits; none for an unknown one.
    pub(super) fn scope_of(&self, secret: &str) -> Option<Scope> {
        self.tokens.iter().find(|(known, _)| known == secret).map(|(_, scope)| *scope)
    }

    /// Adds a branch.
    pub fn add_branch(&mut self, name: &str) {
        let sha = self.random.sha();
        self.branches.insert(name.to_owned(), sha);
    }

    /// Adds a tag on a new commit.
    pub fn add_tag(&mut self, name: &str) {
        self.add_branch(name);
        self.tags.insert(name.to_owned());
    }

    /// Declares an input.
    pub fn declare_input(&mut self, name: &str, is_required: bool) {
        self.inputs.insert(name.to_owned(), is_required);
    }

    /// Shows a status in place of that of the build's state, and an error of the configuration.
    pub fn show(&mut self, number: u64, status: &str, yaml_errors: Option<&str>) {
        if let Some(pipeline) = self.pipelines.get_mut(&number) {
            pipeline.shown = Some((status.to_owned(), yaml_errors.map(str::to_owned)));
        }
    }

    /// Status and error of the configuration.
    pub(super) fn status(&self, number: u64) -> (String, Option<String>) {
        if let Some(shown) = self.pipelines.get(&number).and_then(|one| one.shown.clone()) {
            return shown;
        }
        let build = self.builds.get(number);
        let is_asked_to_end = build.is_some_and(|build| build.cancels > 0);
        let (status, yaml_errors) = match build.map_or(State::Queued, |build| build.state) {
            State::Queued => ("pending", None),
            State::Running if is_asked_to_end => ("canceling", None),
            State::Running => ("running", None),
            State::Succeeded => ("success", None),
            State::Failed => ("failed", None),
            State::Errored => {
                ("failed", Some("jobs config should contain at least one visible job"))
            }
            State::Cancelled => ("canceled", None),
        };
        (status.to_owned(), yaml_errors.map(str::to_owned))
    }

    /// The run id among the inputs and variables that a caller gave.
    pub(super) fn run_in(&self, given: &serde_json::Map<String, Value>) -> String {
        let text = |key: &str| given.get(key).and_then(Value::as_str).map(str::to_owned);
        text(&self.run_variable).unwrap_or_default()
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

    fn callback(&self, number: u64, now_ms: i64) -> Option<Request> {
        self.delivery(number, now_ms)
    }
}
