//! Looks, again and again, at the statuses that Azure DevOps was told since the last look. It must
//! never ask the gateway.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::ledger::{Ledger, Shown};
use crate::connections::Connection;

/// Rare enough to cost little, and often enough for a closed loop of hundreds.
const EVERY: Duration = Duration::from_millis(20);

#[derive(Debug, Deserialize)]
struct Status<'a> {
    pull_request: Option<u64>,
    #[serde(borrow)]
    commit: Option<Cow<'a, str>>,
    iteration: Option<u64>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    at_ms: u64,
}

/// Looks until it is dropped; makes room where a life has ended.
pub(super) async fn watch(
    fakes: SocketAddr,
    ledger: Rc<RefCell<Ledger>>,
    room: Rc<Semaphore>,
) -> anyhow::Result<()> {
    let mut connection = Connection::open(fakes).await?;
    let mut seen = 0;
    loop {
        let response = connection.get(&format!("/_fake/statuses/{seen}")).await?;
        ensure!(response.status == 200, "the statuses were answered {}", response.status);
        let statuses: Vec<Status<'_>> =
            serde_json::from_slice(&response.body).context("statuses of an unknown form")?;
        seen += statuses.len();
        for status in &statuses {
            let has_ended = ledger.borrow_mut().shown(&Shown {
                pull_request: status.pull_request,
                commit: status.commit.as_deref(),
                iteration: status.iteration,
                state: &status.state,
                at_ms: status.at_ms,
            });
            if has_ended {
                room.add_permits(1);
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
