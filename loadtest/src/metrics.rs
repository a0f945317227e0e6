//! What the gateway tells at `/metrics`. It is not asked while a latency is measured, because the
//! answer costs the gateway's core.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::gateway;

const POLL: Duration = Duration::from_millis(250);
/// A gateway that decided nothing for so long will not decide any more.
const STANDSTILL: Duration = Duration::from_secs(30);

/// Some metrics at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metrics {
    pub(crate) decided: f64,
    pub(crate) undecided: f64,
    /// Rows that retention deleted.
    pub(crate) deleted: f64,
}

/// Reads the metrics of all replicas. Counters are added up; a queue is the same for all of them.
pub(crate) async fn read(replicas: &[SocketAddr]) -> anyhow::Result<Metrics> {
    let mut all = Metrics { decided: 0.0, undecided: 0.0, deleted: 0.0 };
    for address in replicas.iter().copied() {
        let one = read_one(address).await?;
        all.decided += one.decided;
        all.undecided = all.undecided.max(one.undecided);
        all.deleted += one.deleted;
    }
    Ok(all)
}

async fn read_one(address: SocketAddr) -> anyhow::Result<Metrics> {
    let response = gateway::operator(address).open("/metrics").await.context("no metrics")?;
    ensure!(response.status == 200, "/metrics answered {}", response.status);
    let text = String::from_utf8(response.body)?;
    Ok(Metrics {
        decided: sum(&text, "azdo_gateway_decisions_total"),
        undecided: sum(&text, "azdo_gateway_backlog{stage=\"undecided\"}"),
        deleted: sum(&text, "azdo_gateway_rows_deleted_total"),
    })
}

/// Waits until nothing is undecided, and tells how long that took. Nothing after the time `within`,
/// or where there is no such limit, after a standstill: being slow is no fault then.
pub(crate) async fn wait_until_decided(
    replicas: &[SocketAddr],
    within: Option<Duration>,
) -> anyhow::Result<Option<Duration>> {
    let begun = Instant::now();
    let (mut least, mut since) = (f64::INFINITY, begun);
    loop {
        let undecided = read(replicas).await?.undecided;
        if undecided < 0.5 {
            return Ok(Some(begun.elapsed()));
        }
        if undecided < least {
            (least, since) = (undecided, Instant::now());
        }
        let is_over = within.map_or(since.elapsed() > STANDSTILL, |time| begun.elapsed() > time);
        if is_over {
            return Ok(None);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Over all label sets that begin so.
fn sum(text: &str, series: &str) -> f64 {
    let values = text
        .lines()
        .filter(|line| line.starts_with(series))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    values.sum()
}
