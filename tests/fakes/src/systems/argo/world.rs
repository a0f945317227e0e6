//! The state of Argo Workflows: one namespace with one template, its workflows, and who may ask.

use crate::faults::Faults;
use crate::http::{Request, Response};
use crate::journal::Journal;
use crate::neighbour::Neighbour;
use crate::random::Random;
use crate::systems::service_accounts::{Access, ServiceAccounts};
use crate::systems::{Builds, System};

/// Argo Workflows in one namespace.
#[derive(Debug, Clone)]
pub struct World {
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    /// The only template.
    pub template: String,
    pub(super) namespace: String,
    pub(super) builds: Builds,
    pub(super) accounts: ServiceAccounts,
    /// Whether the last one was terminated and not stopped.
    pub(super) is_terminated: bool,
    pub(super) random: Random,
}

impl World {
    /// The namespace `ci` with the template `build`.
    pub fn new(seed: u64) -> Self {
        Self {
            faults: Faults::seeded(seed ^ 0xA460),
            journal: Journal::default(),
            template: "build".to_owned(),
            namespace: "ci".to_owned(),
            builds: Builds::numbered_from(1),
            accounts: ServiceAccounts::new(Random::seeded(seed ^ 0x5E4A)),
            is_terminated: false,
            random: Random::seeded(seed ^ 0xA460),
        }
    }

    /// The token of a service account that may create, get and update workflows.
    pub fn token(&self) -> &str {
        self.accounts.token(Access::Edit)
    }

    /// The token of a service account that may only look.
    pub fn read_only_token(&self) -> &str {
        self.accounts.token(Access::View)
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
