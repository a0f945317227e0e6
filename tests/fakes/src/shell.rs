//! The worlds behind a socket; the only place with a clock.
//!
//! One port serves ADO below its organizations' paths, Entra below its tenant's, the CI below
//! `/ci`, and the control for people below `/_fake`. What Entra issues is carried to ADO at once. A
//! loop makes the deliveries and reports that fall due. The shell must never decide anything that a
//! world could decide.

/// The clock of the worlds, which a test can move on.
mod clock;
/// Requests that are held until a test lets them go on.
mod holds;
/// The loop that sends what falls due.
mod pump;
/// From the socket to a world and back.
mod server;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{ado, bearers, ci, entra};

/// The worlds, and what their users on threads and tasks share.
#[derive(Debug)]
struct Shared {
    ado: Mutex<ado::World>,
    ci: Mutex<ci::World>,
    entra: Mutex<entra::World>,
    changes: watch::Sender<u64>,
    /// Rouses the loop that sends; not for every request that is answered.
    due: Notify,
    holds: holds::Holds,
    clock: clock::Clock,
    stopped: CancellationToken,
}

impl Shared {
    fn ado(&self) -> MutexGuard<'_, ado::World> {
        self.ado.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ci(&self) -> MutexGuard<'_, ci::World> {
        self.ci.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entra(&self) -> MutexGuard<'_, entra::World> {
        self.entra.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells ADO of the tokens that Entra has issued, before anybody can use them. The order of the
    /// locks is Entra, then ADO, here and everywhere.
    fn carry_bearers(&self) {
        let mut entra = self.entra();
        bearers::carry(&mut entra, &mut self.ado());
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
        // Where somebody has a world in his hands, maybe our caller, something may be due.
        let of_ado = self.ado.try_lock().map_or(true, |ado| ado.next_due_ms().is_some());
        let of_ci = self.ci.try_lock().map_or(true, |ci| ci.next_due_ms().is_some());
        if of_ado || of_ci {
            self.due.notify_one();
        }
    }

    /// Waits until a condition on both worlds holds, however long it takes.
    async fn until(&self, mut condition: impl FnMut(&ado::World, &ci::World) -> bool) {
        let mut changes = self.changes.subscribe();
        loop {
            let holds = condition(&self.ado(), &self.ci());
            if holds || changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// The worlds, reachable over HTTP. It must be started within a tokio runtime of several threads.
#[derive(Debug)]
pub struct Shell {
    shared: Arc<Shared>,
    url: String,
    server: ServerHandle,
    tasks: TaskTracker,
}

impl Shell {
    /// Serves ADO and a CI at an address, by default at a free port of the loopback, beside a
    /// tenant with nobody in it.
    pub fn start(ado: ado::World, ci: ci::World, bind: Option<SocketAddr>) -> anyhow::Result<Self> {
        Self::start_with_entra(ado, ci, entra::World::new(0), bind)
    }

    /// Serves all worlds at an address, by default at a free port of the loopback.
    pub fn start_with_entra(
        mut ado: ado::World,
        mut ci: ci::World,
        mut entra: entra::World,
        bind: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let address = bind.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let listener = TcpListener::bind(address)?;
        let url = format!("http://{}", listener.local_addr()?);
        ado.set_base_url(&url);
        let clock = clock::Clock::default();
        ado.set_now(clock.now_ms());
        ci.set_base_url(&format!("{url}/ci"));
        entra.set_base_url(&url);
        bearers::carry(&mut entra, &mut ado);
        let shared = Arc::new(Shared {
            ado: Mutex::new(ado),
            ci: Mutex::new(ci),
            entra: Mutex::new(entra),
            changes: watch::Sender::new(0),
            due: Notify::new(),
            holds: holds::Holds::default(),
            clock,
            stopped: CancellationToken::new(),
        });
        let running = server::listen(&shared, listener)?;
        let server = running.handle();
        let tasks = TaskTracker::new();
        tasks.spawn(running);
        tasks.spawn(pump::run(Arc::clone(&shared), pump::client()?, tasks.clone()));
        Ok(Self { shared, url, server, tasks })
    }

    /// Where the worlds are, without a slash at the end. An organization is at `{url}/{name}`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the CI is triggered.
    pub fn ci_url(&self) -> String {
        format!("{}/ci/start", self.url)
    }

    /// Reads or changes ADO, at this moment; whoever waits is woken.
    pub fn ado<T>(&self, act: impl FnOnce(&mut ado::World) -> T) -> T {
        let result = {
            let mut world = self.shared.ado();
            world.set_now(self.shared.now_ms());
            act(&mut world)
        };
        self.shared.changed();
        result
    }

    /// Reads or changes the CI; whoever waits is woken.
    pub fn ci<T>(&self, act: impl FnOnce(&mut ci::World) -> T) -> T {
        let result = act(&mut self.shared.ci());
        self.shared.changed();
        result
    }

    /// Reads or changes Entra, at this moment; whoever waits is woken.
    pub fn entra<T>(&self, act: impl FnOnce(&mut entra::World) -> T) -> T {
        let result = {
            let mut world = self.shared.entra();
            world.set_now(self.shared.now_ms());
            act(&mut world)
        };
        self.shared.carry_bearers();
        self.shared.changed();
        result
    }

    /// Changes whenever something has happened in one of the worlds.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Waits until a condition holds; false when it does not within this time.
    #[must_use = "the condition may not hold"]
    pub async fn wait_until(
        &self,
        within: Duration,
        condition: impl FnMut(&ado::World, &ci::World) -> bool,
    ) -> bool {
        tokio::time::timeout(within, self.shared.until(condition)).await.is_ok()
    }

    /// Waits until so many requests in all have been held; their methods and paths, oldest first.
    pub async fn wait_for_held(&self, within: Duration, count: usize) -> Option<Vec<String>> {
        tokio::time::timeout(within, self.shared.holds.until_held(count)).await.ok()
    }

    /// Lets every request go on that is held now.
    pub fn release(&self) {
        self.shared.holds.release();
    }

    /// Lets this much time pass for Azure DevOps and Entra: step by step, so that every delivery
    /// and retry that falls due meanwhile is sent and answered at its time, before the next one.
    /// The CI, and whoever talks to the worlds, keep the clock of the machine; answers of Azure
    /// DevOps tell its time in `Date`. What a program lets end by its own clock may have ended
    /// there already.
    pub async fn pass(&self, by: Duration) {
        self.shared.pass(by).await;
    }

    /// Closes the port and ends what is under way.
    pub async fn stop(self) {
        self.shared.stopped.cancel();
        self.shared.holds.release();
        self.server.stop(false).await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Shell {
    /// A test that fails leaves no server behind.
    fn drop(&mut self) {
        self.shared.stopped.cancel();
        drop(self.server.stop(false));
    }
}
