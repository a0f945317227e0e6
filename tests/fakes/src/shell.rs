//! The worlds behind a socket; the only place with a clock.
//!
//! One port serves ADO below the paths of its organizations, Entra below that of its tenant, the CI
//! below `/ci`, further CI systems below their names, and the control API below `/_fake`. Access
//! tokens that Entra issues are accepted by ADO at once. A loop sends the deliveries and reports
//! that fall due. All decisions are left to the worlds, so that tests without a socket see the same
//! behaviour.

/// Advancing that clock, with everything that falls due meanwhile.
mod advance;
/// The clock of ADO and Entra.
mod clock;
/// Requests that are held until a test releases them.
mod held_requests;
/// The loop that sends what falls due.
mod pump;
/// From the socket to a world and back.
mod server;
/// The worlds, and what the server and the tasks share with them.
mod worlds;

use std::any::Any;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use worlds::Worlds;

use crate::systems::System;
use crate::{ado, bearers, ci, entra};

/// The worlds, reachable over HTTP. It must be started within a tokio runtime of several threads.
#[derive(Debug)]
pub struct Shell {
    worlds: Arc<Worlds>,
    url: String,
    server: ServerHandle,
    tasks: TaskTracker,
}

impl Shell {
    /// Serves ADO and a CI, and an Entra tenant without people or applications, at an address; by
    /// default at a free port of the loopback.
    pub fn start(ado: ado::World, ci: ci::World, bind: Option<SocketAddr>) -> anyhow::Result<Self> {
        Self::start_with_entra(ado, ci, entra::World::new(0), bind)
    }

    /// Serves all worlds at an address; by default at a free port of the loopback.
    pub fn start_with_entra(
        mut ado: ado::World,
        mut ci: ci::World,
        mut entra: entra::World,
        bind: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let address = bind.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let listener = TcpListener::bind(address)?;
        let url = format!("http://{}", listener.local_addr()?);
        let clock = clock::Clock::default();
        ado.set_base_url(&url);
        ado.set_now(clock.now_ms());
        ci.set_base_url(&format!("{url}/ci"));
        entra.set_base_url(&url);
        bearers::pass_on_issued(&mut entra, &mut ado);
        let worlds = Arc::new(Worlds::new(ado, ci, entra, clock));
        let running = server::listen(&worlds, listener)?;
        let server = running.handle();
        let tasks = TaskTracker::new();
        tasks.spawn(running);
        tasks.spawn(pump::run(Arc::clone(&worlds), pump::client()?, tasks.clone()));
        Ok(Self { worlds, url, server, tasks })
    }

    /// The base URL, without a slash at the end. An organization is at `{url}/{name}`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL at which the CI is triggered.
    pub fn ci_url(&self) -> String {
        format!("{}/ci/start", self.url)
    }

    /// Reads or changes ADO at the present time, and wakes what waits for a change.
    pub fn ado<T>(&self, act: impl FnOnce(&mut ado::World) -> T) -> T {
        let result = {
            let mut world = self.worlds.ado();
            world.set_now(self.worlds.now_ms());
            act(&mut world)
        };
        self.worlds.changed();
        result
    }

    /// Reads or changes the CI, and wakes what waits for a change.
    pub fn ci<T>(&self, act: impl FnOnce(&mut ci::World) -> T) -> T {
        let result = act(&mut self.worlds.ci());
        self.worlds.changed();
        result
    }

    /// Serves one more CI system below `/{name}`. Returns its URL.
    pub fn add_system(&self, name: &str, mut system: Box<dyn System>) -> String {
        let url = format!("{}/{name}", self.url);
        system.set_base_url(&url);
        self.worlds.systems().insert(name.to_owned(), system);
        url
    }

    /// Reads or changes a CI system that was added, and wakes what waits for a change; none where
    /// there is none of that name.
    pub fn system<T>(&self, name: &str, act: impl FnOnce(&mut dyn System) -> T) -> Option<T> {
        let result = self.worlds.systems().get_mut(name).map(|system| act(&mut **system));
        self.worlds.changed();
        result
    }

    /// Reads or changes a CI system of a known kind that was added, and wakes what waits for a
    /// change; none where there is none of that name and kind.
    pub fn system_as<S: System, T>(&self, name: &str, act: impl FnOnce(&mut S) -> T) -> Option<T> {
        self.system(name, |system| (system as &mut dyn Any).downcast_mut::<S>().map(act))?
    }

    /// Reads or changes Entra at the present time, and wakes what waits for a change.
    pub fn entra<T>(&self, act: impl FnOnce(&mut entra::World) -> T) -> T {
        let result = {
            let mut world = self.worlds.entra();
            world.set_now(self.worlds.now_ms());
            act(&mut world)
        };
        self.worlds.pass_on_issued_tokens();
        self.worlds.changed();
        result
    }

    /// Changes whenever one of the worlds has changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.worlds.changes.subscribe()
    }

    /// Waits until a condition holds; false when it does not within this time.
    #[must_use = "the condition may not hold"]
    pub async fn wait_until(
        &self,
        within: Duration,
        condition: impl FnMut(&ado::World, &ci::World) -> bool,
    ) -> bool {
        tokio::time::timeout(within, self.worlds.until(condition)).await.is_ok()
    }

    /// Waits until so many requests in all have been held; returns their methods and paths, oldest
    /// first, or none when it does not happen within this time.
    pub async fn wait_for_held(&self, within: Duration, count: usize) -> Option<Vec<String>> {
        tokio::time::timeout(within, self.worlds.held.until_held(count)).await.ok()
    }

    /// Releases every request that is held now.
    pub fn release(&self) {
        self.worlds.held.release();
    }

    /// Advances the clock of ADO and Entra. Each delivery and retry that falls due meanwhile is
    /// sent and answered at its time, before the next one.
    ///
    /// The CI and the callers of the worlds keep the machine's clock. ADO sends its own time in the
    /// header `Date`. A token that has not expired by the caller's clock may have expired here.
    pub async fn advance(&self, by: Duration) {
        self.worlds.advance(by).await;
    }

    /// Closes the port and ends what is under way.
    pub async fn stop(self) {
        self.worlds.stopped.cancel();
        self.server.stop(false).await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Shell {
    /// Stops the server of a test that failed.
    fn drop(&mut self) {
        self.worlds.stopped.cancel();
        drop(self.server.stop(false));
    }
}
