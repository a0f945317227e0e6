//! The running processes of one gateway, and the proxy in front of them where there is one.

use std::net::SocketAddr;

use crate::http::Connection;
use crate::processes::Processes;
use crate::procfs;
use crate::proxy::Proxy;
use crate::server::Server;

/// See the module. They end with this program in any case.
#[derive(Debug)]
pub(crate) struct Replicas {
    /// Where clients send.
    pub(crate) address: SocketAddr,
    pub(crate) all: Vec<Server>,
    pub(crate) proxy: Option<Proxy>,
}

impl Replicas {
    /// Where each of them listens.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.all.iter().map(|server| server.address).collect()
    }

    /// With the first process of their database.
    pub(crate) fn processes(&self, database: Option<u32>) -> Processes {
        let servers = self.all.iter().map(Server::id).collect();
        let proxy = self.proxy.as_ref().map(|proxy| proxy.task.clone());
        Processes { servers, database, proxy }
    }

    /// Whether clients get 200 at a path.
    pub(crate) async fn is_ok(&self, path: &str) -> bool {
        let Ok(mut connection) = Connection::open(self.address).await else { return false };
        connection.get(path).await.is_ok_and(|response| response.status == 200)
    }

    /// The resident memory of the largest of them in MiB: now, and at its largest.
    pub(crate) fn resident_mib(&self) -> anyhow::Result<[f64; 2]> {
        let mut most = [0.0_f64; 2];
        for server in &self.all {
            let mib = procfs::resident_mib(server.id())?;
            most.iter_mut().zip(mib).for_each(|(most, mib)| *most = most.max(mib));
        }
        Ok(most)
    }

    /// Sends SIGTERM to all and waits until they have ended; what was no success.
    pub(crate) async fn stop(self) -> anyhow::Result<Vec<String>> {
        self.all.iter().try_for_each(Server::terminate)?;
        let mut problems = Vec::new();
        for server in self.all {
            problems.extend(server.wait().await?);
        }
        Ok(problems)
    }
}
