//! The state of Prefect: one deployment, its flow runs, and the password of its server.

use std::collections::BTreeMap;

use crate::faults::Faults;
use crate::http::{Request, Response};
use crate::journal::Journal;
use crate::neighbour::Neighbour;
use crate::random::Random;
use crate::systems::{Builds, System};

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Prefect with one deployment.
#[derive(Debug, Clone)]
pub struct World {
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    pub(super) deployment: String,
    pub(super) builds: Builds,
    /// The ids of flow runs, by build.
    pub(super) ids: BTreeMap<u64, String>,
    /// Of the user `admin`.
    pub(super) password: String,
    pub(super) random: Random,
}

impl World {
    /// A deployment without flow runs.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed ^ 0x94EF);
        Self {
            faults: Faults::seeded(seed ^ 0x94EF),
            journal: Journal::default(),
            deployment: random.guid(),
            builds: Builds::numbered_from(1),
            ids: BTreeMap::new(),
            password: random.text(BASE62, 24),
            random,
        }
    }

    /// The id of the deployment.
    pub fn deployment(&self) -> &str {
        &self.deployment
    }

    /// The password of the user `admin`.
    pub fn password(&self) -> &str {
        &self.password
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
