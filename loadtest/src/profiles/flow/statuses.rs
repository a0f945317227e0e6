//! Reads, again and again, the statuses that were posted to Azure DevOps since the last look.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::sync::Semaphore;

use super::tracker::{Shown, Tracker};
use crate::http::Connection;

/// The pause between two looks: long enough to cost little, short for a closed loop of hundreds.
const EVERY: Duration = Duration::from_millis(20);

/// Runs until it is dropped; gives a permit back for each flow that has ended.
pub(super) async fn watch(
    fakes: SocketAddr,
    tracker: &Rc<RefCell<Tracker>>,
    permits: &Semaphore,
) -> anyhow::Result<()> {
    let mut connection = Connection::open(fakes).await?;
    let mut seen = 0;
    loop {
        let response = connection.get(&format!("/_fake/statuses/{seen}")).await?;
        ensure!(response.status == 200, "the statuses were answered {}", response.status);
        let statuses: Vec<Shown> =
            serde_json::from_slice(&response.body).context("statuses of an unknown form")?;
        seen += statuses.len();
        for status in &statuses {
            let has_ended = tracker.borrow_mut().shown(status);
            permits.add_permits(usize::from(has_ended));
        }
        tokio::time::sleep(EVERY).await;
    }
}
