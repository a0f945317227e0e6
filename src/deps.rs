//! What most parts of a gateway need: the composition root sets it up once, and the parts clone it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use url::Url;

use crate::ado::Throttle;
use crate::changes::Changes;
use crate::clock::Clock;
use crate::health::Health;
use crate::secret::Keyring;
use crate::series::Series;
use crate::storage::{EndedSessions, RetiredHooks, Store};
use crate::worker::Notifiers;

/// See the module. All clones share one state.
#[derive(Clone, Debug)]
pub struct Deps {
    /// For every outgoing call; follows no redirect.
    pub http: reqwest::Client,
    pub store: Arc<dyn Store>,
    pub keys: Keyring,
    /// The URL at which Azure DevOps, Entra and CI systems reach this gateway.
    pub public_url: Url,
    pub throttle: Arc<Throttle>,
    pub health: Arc<Health>,
    pub retired_hooks: Arc<RetiredHooks>,
    pub ended_sessions: Arc<EndedSessions>,
    pub notifiers: Notifiers,
    pub changes: Changes,
    pub series: Arc<Series>,
    pub clock: Clock,
    pub instance: Instance,
    /// Cancelled when the gateway stops: from then on no call is started.
    pub stop: CancellationToken,
}

impl Deps {
    /// With the clock that all processes on the store share, and state that begins empty.
    pub fn new(
        http: reqwest::Client,
        store: Arc<dyn Store>,
        keys: Keyring,
        public_url: Url,
        instance: Instance,
    ) -> Self {
        Self {
            http,
            clock: Clock::new({
                let (store, system) = (Arc::clone(&store), Clock::system());
                move || store.shared_time(system.now())
            }),
            store,
            keys,
            public_url,
            throttle: Arc::default(),
            health: Arc::default(),
            retired_hooks: Arc::default(),
            ended_sessions: Arc::default(),
            notifiers: Notifiers::default(),
            changes: Changes::default(),
            series: Arc::default(),
            instance,
            stop: CancellationToken::new(),
        }
    }
}

impl Deps {
    /// For another configuration of the same process: its problems are found anew, and its workers
    /// are stopped apart.
    pub fn with(&self, keys: Keyring, public_url: Url) -> Self {
        let (health, stop) = (Arc::default(), CancellationToken::new());
        Self { keys, public_url, health, stop, ..self.clone() }
    }
}

/// Which gateway process this is, and of which installation. Each id is eight hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The same for all processes on one store.
    pub installation_id: String,
    /// New with every start of a process.
    pub id: String,
}
