//! What most parts of a gateway need, set up once by the composition root and cloned from there.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use url::Url;

use crate::ado::Throttle;
use crate::clock::Clock;
use crate::health::Health;
use crate::secret::Keyring;
use crate::storage::{HookActivity, Store};
use crate::worker::Notifiers;

/// See the module. Clones share everything.
#[derive(Clone, Debug)]
pub struct Deps {
    /// For every outgoing call; follows no redirects.
    pub http: reqwest::Client,
    pub store: Arc<dyn Store>,
    pub keys: Keyring,
    /// Where Azure DevOps, Entra and CI systems reach this gateway.
    pub public_url: Url,
    pub throttle: Arc<Throttle>,
    pub health: Arc<Health>,
    pub hook_activity: Arc<HookActivity>,
    pub notifiers: Notifiers,
    pub clock: Clock,
    pub instance: Instance,
    /// Cancelled when the gateway stops: no further call is begun.
    pub stop: CancellationToken,
}

/// The name of this replica, and of the installation that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The same for every replica on one store: eight hexadecimal digits.
    pub gateway: String,
    /// This process: eight hexadecimal digits.
    pub process: String,
}
