//! The load generator: keep-alive connections, each of which sends the next request that is due
//! when it has the answer to the one before.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use crate::http::Connection;
use crate::pace::Pace;

/// The pause after an answer other than success, for a server that refuses everything.
const PAUSE: Duration = Duration::from_millis(5);

/// A connection that was idle for longer is opened anew: a server may close it, the gateway after
/// 5 s without a first request.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// A request and the moment at which it was due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) number: u64,
    pub(crate) at: Instant,
    /// Whether the same was sent before, and this is a duplicate.
    pub(crate) is_duplicate: bool,
}

/// What is sent, and who is told of the answers.
pub(crate) trait Requests {
    /// A request that failed and has to be sent again.
    fn failed(&self) -> Option<Due>;
    /// A new request, due at that moment; none when there are no more.
    fn take(&self, at: Instant) -> Option<Due>;
    /// Replaces what is in `request`.
    fn render(&self, due: Due, request: &mut Vec<u8>) -> anyhow::Result<()>;
    /// The status of the answer, or how the connection broke.
    fn answered(&self, due: Due, sent: Instant, answer: std::io::Result<u16>);
}

/// Connections that send. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Load {
    connections: JoinSet<anyhow::Result<()>>,
    pace: Rc<Pace>,
}

/// Opens the connections of a load, which must not take time from it.
pub(crate) async fn open(address: SocketAddr, count: usize) -> anyhow::Result<Vec<Connection>> {
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(Connection::open(address).await.context("cannot connect")?);
    }
    Ok(all)
}

impl Load {
    /// Must be called within a `LocalSet`.
    pub(crate) fn start(
        address: SocketAddr,
        connections: Vec<Connection>,
        requests: &Rc<impl Requests + 'static>,
        pace: Pace,
    ) -> Self {
        let pace = Rc::new(pace);
        let mut set = JoinSet::new();
        for connection in connections {
            let (requests, pace) = (Rc::clone(requests), Rc::clone(&pace));
            set.spawn_local(send_all(address, connection, requests, pace));
        }
        Self { connections: set, pace }
    }

    /// Sends nothing new from now on.
    pub(crate) fn stop(&self) {
        self.pace.stop();
    }

    /// Waits until the last request is answered.
    pub(crate) async fn finish(mut self) -> anyhow::Result<Rc<Pace>> {
        while let Some(ended) = self.connections.join_next().await {
            ended.context("a connection panicked")??;
        }
        Ok(self.pace)
    }
}

async fn send_all(
    address: SocketAddr,
    connection: Connection,
    requests: Rc<impl Requests>,
    pace: Rc<Pace>,
) -> anyhow::Result<()> {
    let mut connection = Some(connection);
    let (mut request, mut idle_since) = (Vec::new(), Instant::now());
    loop {
        let due = match requests.failed() {
            Some(failed) => Some(failed),
            None => pace.next().await.and_then(|at| requests.take(at)),
        };
        let Some(due) = due else { return Ok(()) };
        requests.render(due, &mut request)?;
        let sent = Instant::now();
        connection = connection.filter(|_| sent - idle_since < IDLE_MAX);
        let answer = exchange(address, &mut connection, &request).await;
        if answer.is_err() {
            connection = None;
        }
        idle_since = Instant::now();
        let is_success = matches!(answer, Ok(200..=299));
        requests.answered(due, sent, answer);
        if !is_success {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The status of the answer, over a connection that is opened where there is none.
async fn exchange(
    address: SocketAddr,
    open: &mut Option<Connection>,
    request: &[u8],
) -> std::io::Result<u16> {
    let connection = match open {
        Some(connection) => connection,
        None => open.insert(Connection::open(address).await?),
    };
    Ok(connection.send(request).await?.status)
}
