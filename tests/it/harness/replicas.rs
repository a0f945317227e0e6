//! Several real processes of one installation behind a load balancer: the same settings, and one
//! public address.

mod tests;

use super::ports::free_port;
use super::settings::{OPERATOR, Settings};
use super::{Api, Balancer, Binary, Env};

/// Running replicas; each is killed when the test drops it.
pub(crate) struct Replicas {
    /// The address of the load balancer.
    pub(crate) url: String,
    /// Calls whichever replica is next.
    pub(crate) api: Api,
    pub(crate) balancer: Balancer,
    /// Each of them; its own `url` and `api` go around the load balancer.
    pub(crate) all: Vec<Binary>,
}

impl Replicas {
    /// Starts `count` replicas at once, with the usual hooks. `change` has to name a database that
    /// they can share.
    pub(crate) async fn start_with(
        env: &Env,
        count: usize,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let replicas = Self::without_hooks(env, count, change).await;
        env.subscribe(&replicas.url).await;
        replicas
    }

    /// The same without any hooks at Azure DevOps.
    pub(crate) async fn without_hooks(
        env: &Env,
        count: usize,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let balancer = Balancer::start();
        let url = balancer.url();
        let mut settings = env.settings("127.0.0.1:0");
        settings.public_url = Some(url.clone());
        change(&mut settings);
        let numbers = 1..=count;
        let all: Vec<Binary> = numbers
            .map(|number| {
                let (name, listen) =
                    (format!("replica-{number}"), format!("127.0.0.1:{}", free_port()));
                Binary::spawn(Settings { name, listen, ..settings.clone() })
            })
            .collect();
        let replicas = Self { api: Api::new(&url, OPERATOR), url, balancer, all };
        for replica in &replicas.all {
            replica.until_alive().await;
        }
        replicas.balance();
        replicas
    }

    /// The load balancer serves all replicas. To take one out, as a failed check of its health
    /// does, set the others at `balancer`.
    pub(crate) fn balance(&self) {
        let addresses = self.all.iter().map(|one| one.settings.listen.as_str());
        self.balancer.set(&addresses.collect::<Vec<_>>());
    }

    /// Waits until each of them says that it is ready.
    pub(crate) async fn until_ready(&self) {
        for replica in &self.all {
            replica.until_ready().await;
        }
    }

    /// Stops all of them with SIGTERM, and waits for their end.
    pub(crate) fn stop(mut self) {
        for replica in &self.all {
            replica.terminate();
        }
        for replica in &mut self.all {
            replica.wait();
        }
    }
}

impl Drop for Replicas {
    /// Why a story has failed is often only in the logs of the processes.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for replica in &self.all {
                // The folder may be gone already.
                let log = std::fs::read_to_string(replica.settings.log()).unwrap_or_default();
                println!("{} has logged:\n{log}", replica.settings.name);
            }
        }
    }
}
