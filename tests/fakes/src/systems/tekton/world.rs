//! The state of Tekton: one namespace with one pipeline, its runs, and who may ask.

use crate::faults::Faults;
use crate::http::{Request, Response};
use crate::journal::Journal;
use crate::neighbour::Neighbour;
use crate::random::Random;
use crate::systems::service_accounts::{Access, ServiceAccounts};
use crate::systems::{Builds, System};

const HEX: &[u8] = b"0123456789abcdef";

/// Tekton in one namespace.
#[derive(Debug, Clone)]
pub struct World {
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    /// The only pipeline.
    pub pipeline: String,
    pub(super) namespace: String,
    pub(super) builds: Builds,
    pub(super) accounts: ServiceAccounts,
    /// What the GitHub interceptor of the listener verifies with.
    pub(super) listener_secret: String,
    pub(super) random: Random,
}

impl World {
    /// The namespace `ci` with the pipeline `build`.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed ^ 0x7E47);
        Self {
            faults: Faults::seeded(seed ^ 0x7E47),
            journal: Journal::default(),
            pipeline: "build".to_owned(),
            namespace: "ci".to_owned(),
            builds: Builds::numbered_from(1),
            accounts: ServiceAccounts::new(Random::seeded(seed ^ 0x5E4A)),
            listener_secret: random.text(HEX, 40),
            random,
        }
    }

    /// The token of a service account that may create, get and patch runs.
    pub fn token(&self) -> &str {
        self.accounts.token(Access::Edit)
    }

    /// The token of a service account that may only look.
    pub fn read_only_token(&self) -> &str {
        self.accounts.token(Access::View)
    }

    /// Issues another token of the first account, as Kubernetes does before one ends.
    pub fn replace_token(&mut self) -> String {
        self.accounts.issue(Access::Edit)
    }

    /// Ends a token.
    pub fn revoke(&mut self, token: &str) {
        self.accounts.revoke(token);
    }

    /// What the listener verifies signatures with.
    pub fn listener_secret(&self) -> &str {
        &self.listener_secret
    }
}

impl Neighbour for World {
    crate::neighbour::kept_in_fields!();

    fn answer(&mut self, request: &Request, now_ms: i64) -> Response {
        self.route(request, now_ms).unwrap_or_else(|refusal| refusal)
    }
}

impl System for World {
    fn set_base_url(&mut self, _base_url: &str) {}

    fn builds(&mut self) -> &mut Builds {
        &mut self.builds
    }
}
