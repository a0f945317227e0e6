//! What the gateway says of itself at `/metrics`. It must never be asked while a latency is
//! measured: the answer costs the same core.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::connections::Connection;

const POLL: Duration = Duration::from_millis(250);
/// Whoever decided nothing for so long will not.
const STANDSTILL: Duration = Duration::from_secs(30);

/// Numbers at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauges {
    pub(crate) decided: f64,
    pub(crate) undecided: f64,
    /// Rows that retention deleted.
    pub(crate) deleted: f64,
}

pub(crate) async fn read(address: SocketAddr) -> anyhow::Result<Gauges> {
    let mut connection = Connection::open(address).await?;
    let response = connection.get("/metrics").await.context("no metrics")?;
    ensure!(response.status == 200, "/metrics answered {}", response.status);
    let text = String::from_utf8(response.body)?;
    Ok(Gauges {
        decided: sum(&text, "azdo_gateway_decisions_total"),
        undecided: sum(&text, "azdo_gateway_backlog{stage=\"undecided\"}"),
        deleted: sum(&text, "azdo_gateway_rows_deleted_total"),
    })
}

/// Waits until nothing is undecided, and says how long it took; nothing if `within` was too short.
pub(crate) async fn settled(
    address: SocketAddr,
    within: Duration,
) -> anyhow::Result<Option<Duration>> {
    let begun = Instant::now();
    loop {
        if read(address).await?.undecided < 0.5 {
            return Ok(Some(begun.elapsed()));
        }
        if begun.elapsed() > within {
            return Ok(None);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The same, for as long as it makes any headway: being slow is no fault, standing still is one.
pub(crate) async fn settled_at_last(address: SocketAddr) -> anyhow::Result<Option<Duration>> {
    let begun = Instant::now();
    let (mut least, mut since) = (f64::INFINITY, begun);
    loop {
        let undecided = read(address).await?.undecided;
        if undecided < 0.5 {
            return Ok(Some(begun.elapsed()));
        }
        if undecided < least {
            (least, since) = (undecided, Instant::now());
        } else if since.elapsed() > STANDSTILL {
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
