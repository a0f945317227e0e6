//! One death of the gateway and the time until it works again. It must never look into its files.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::Serialize;

use super::Accepts;
use crate::children::Server;
use crate::connections::Connection;
use crate::gauges;
use crate::ground::Stocked;
use crate::stream::Running;

/// It is no failure to take longer than the budget, and one to take longer than this.
const BACK_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);
const READY: u16 = 200;

/// In milliseconds since the new process was started.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Kill {
    /// Seconds since the load began.
    pub(crate) at_seconds: f64,
    /// What waited for a decision shortly before.
    pub(crate) undecided: f64,
    /// From the signal until nothing was left of the process; the new one starts then.
    pub(crate) died_ms: f64,
    pub(crate) first_accept_ms: f64,
    pub(crate) ready_ms: f64,
    pub(crate) first_decision_ms: f64,
}

impl Kill {
    /// From the signal until everything was done again.
    pub(crate) fn working_again_ms(&self) -> f64 {
        let last = self.first_accept_ms.max(self.ready_ms).max(self.first_decision_ms);
        self.died_ms + last
    }
}

/// Kills `server` and starts its successor.
pub(super) async fn kill(
    server: Server,
    stocked: &Stocked,
    load: &Running,
    accepts: &mut Accepts,
    pinned: bool,
) -> anyhow::Result<(Server, Kill)> {
    let undecided = gauges::read(server.address).await?.undecided;
    accepts.note(load)?;
    let killed = Instant::now();
    // Sends SIGKILL and waits for the end.
    drop(server);
    let begun = Instant::now();
    load.stream.await_first();
    let server = stocked.gateway.serve(pinned)?;
    let (mut ready, mut decided, mut accepted) = (None, None, None);
    while ready.is_none() || decided.is_none() || accepted.is_none() {
        ensure!(begun.elapsed() < BACK_MAX, "it was not back after {} s", BACK_MAX.as_secs());
        tokio::time::sleep(POLL).await;
        accepts.note(load)?;
        let since = |moment: Instant| moment.saturating_duration_since(begun);
        accepted = accepted.or_else(|| load.stream.first().map(since));
        if ready.is_none() {
            ready = is_ready(&server).await.then(|| since(Instant::now()));
        } else if decided.is_none() {
            // The counter of a new process begins at zero.
            let gauges = gauges::read(server.address).await?;
            let is_back = gauges.decided > 0.5 || (undecided < 0.5 && gauges.undecided < 0.5);
            decided = is_back.then(|| since(Instant::now()));
        }
    }
    let ms = |took: Option<Duration>| took.unwrap_or_default().as_secs_f64() * 1e3;
    let kill = Kill {
        at_seconds: (killed - accepts.begun).as_secs_f64(),
        undecided,
        died_ms: (begun - killed).as_secs_f64() * 1e3,
        first_accept_ms: ms(accepted),
        ready_ms: ms(ready),
        first_decision_ms: ms(decided),
    };
    Ok((server, kill))
}

async fn is_ready(server: &Server) -> bool {
    let Ok(mut connection) = Connection::open(server.address).await else { return false };
    connection.get("/readyz").await.is_ok_and(|response| response.status == READY)
}
