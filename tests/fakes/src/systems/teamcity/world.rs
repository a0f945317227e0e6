//! The state of TeamCity: one build configuration, its builds, and who may ask.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::refusal::negotiated;
use crate::faults::Faults;
use crate::http::{Request, Response};
use crate::journal::Journal;
use crate::neighbour::Neighbour;
use crate::random::Random;
use crate::systems::{Builds, State, System};

const FIRST_BUILD: u64 = 74_101;
const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// What every access token begins with.
const TOKEN_HEADER: &str = "eyJ0eXAiOiAiVENWMiJ9";
/// The user of the webhook.
const WEBHOOK_USER: &str = "teamcity";

/// What a token permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It sees the project, runs and stops builds.
    Run,
    View,
    /// It does not see the project.
    None,
}

/// TeamCity with one build configuration.
#[derive(Debug, Clone)]
pub struct World {
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    /// The id of the build configuration.
    pub build_type: String,
    /// The branch that builds without a name of a branch are on, and lists show by themselves.
    pub default_branch: String,
    /// In which property the run id comes.
    pub run_property: String,
    /// Whether builds in the queue can be cancelled as builds, and not only through the queue.
    pub cancels_queued_as_builds: bool,
    pub(super) base_url: String,
    pub(super) builds: Builds,
    /// Names that callers gave to branches, by build; none where a build is on the default one.
    pub(super) branches: BTreeMap<u64, String>,
    /// The commits that it has seen in the repository.
    pub(super) changes: BTreeSet<String>,
    tokens: Vec<(String, Access)>,
    webhook_password: String,
}

impl World {
    /// The configuration `Proj_Build` with the default branch `main`.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed ^ 0x7EAC);
        let tokens = [Access::Run, Access::View, Access::None].map(|access| {
            let (id, secret) = (random.text(BASE62, 36), random.text(BASE62, 48));
            (format!("{TOKEN_HEADER}.{id}.{secret}"), access)
        });
        Self {
            faults: Faults::seeded(seed ^ 0x7EAC),
            journal: Journal::default(),
            build_type: "Proj_Build".to_owned(),
            default_branch: "main".to_owned(),
            run_property: "gateway.run".to_owned(),
            cancels_queued_as_builds: true,
            base_url: "http://teamcity.invalid".to_owned(),
            builds: Builds::numbered_from(FIRST_BUILD),
            branches: BTreeMap::new(),
            changes: BTreeSet::new(),
            tokens: tokens.to_vec(),
            webhook_password: random.text(BASE62, 24),
        }
    }

    /// An access token that may run and stop builds.
    pub fn token(&self) -> &str {
        self.secret(Access::Run)
    }

    /// An access token that may only look.
    pub fn read_only_token(&self) -> &str {
        self.secret(Access::View)
    }

    /// A valid token that does not see the project.
    pub fn outsider_token(&self) -> &str {
        self.secret(Access::None)
    }

    /// User and password that the webhook authenticates itself with.
    pub fn webhook_credential(&self) -> (&str, &str) {
        (WEBHOOK_USER, &self.webhook_password)
    }

    /// Makes a commit known, so that a build can be pinned to it.
    pub fn add_change(&mut self, commit: &str) {
        self.changes.insert(commit.to_owned());
    }

    fn secret(&self, wanted: Access) -> &str {
        let mut tokens = self.tokens.iter();
        tokens.find(|(_, access)| *access == wanted).map_or("", |(secret, _)| secret)
    }

    /// What a token permits; none for an unknown one.
    pub(super) fn access_of(&self, secret: &str) -> Option<Access> {
        self.tokens.iter().find(|(known, _)| known == secret).map(|(_, access)| *access)
    }
}

impl Neighbour for World {
    crate::neighbour::kept_in_fields!();

    fn answer(&mut self, request: &Request, now_ms: i64) -> Response {
        let response = self.route(request, now_ms).unwrap_or_else(|refusal| refusal);
        negotiated(request, response)
    }
}

impl System for World {
    crate::systems::kept_in_fields!();

    /// None about a build in the queue. A cancelled one is interrupted, and not finished.
    fn callback(&self, number: u64, _now_ms: i64) -> Option<Request> {
        let event = match self.builds.get(number)?.state {
            State::Queued => return None,
            State::Running => "BUILD_STARTED",
            State::Cancelled => "BUILD_INTERRUPTED",
            State::Succeeded | State::Failed | State::Errored => "BUILD_FINISHED",
        };
        let body = json!({"eventType": event, "payload": self.rendered(number)?});
        let credential = STANDARD.encode(format!("{WEBHOOK_USER}:{}", self.webhook_password));
        let request = Request::new("POST", "").with_json(&body);
        Some(request.with_header("authorization", &format!("Basic {credential}")))
    }
}
