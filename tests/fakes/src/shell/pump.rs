//! The loop that sends what falls due: ADO's deliveries and the CI's reports.
//!
//! It wakes when something may be due and at the next due time, and gives each answer back to the
//! world that sent. It does not look into what it sends.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::clock::machine_ms;
use super::worlds::Worlds;
use crate::ado::{Answer, Outgoing};
use crate::ci::Report;

/// Deliveries under way at once. Reports need no limit: the CI sends one at a time for each run.
const IN_FLIGHT_LIMIT: usize = 256;
/// ADO's own limit is not documented (docs/azure-devops.md §1.3); a receiver answers far sooner.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The loop is woken for what falls due. Looking once a second besides means that a wake-up which
/// was missed delays a delivery and does not lose it.
const SLEEP_LIMIT_MS: i64 = 1_000;

/// A client that follows no redirect and uses no proxy.
pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder().redirect(Policy::none()).no_proxy();
    builder.timeout(TIMEOUT).connect_timeout(TIMEOUT).build()
}

/// Sends until the shell stops.
pub(super) async fn run(worlds: Arc<Worlds>, client: reqwest::Client, tasks: TaskTracker) {
    let slots = Arc::new(Semaphore::new(IN_FLIGHT_LIMIT));
    while !worlds.stopped.is_cancelled() {
        send_due(&worlds, &client, &tasks, &slots);
        let has_free_slot = slots.available_permits() > 0;
        let wait = Duration::from_millis(until_next_ms(&worlds, has_free_slot));
        tokio::select! {
            () = worlds.stopped.cancelled() => {}
            () = worlds.due.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn send_due(
    worlds: &Arc<Worlds>,
    client: &reqwest::Client,
    tasks: &TaskTracker,
    slots: &Arc<Semaphore>,
) {
    let free = slots.available_permits();
    let deliveries = worlds.ado().due_deliveries_at_most(worlds.now_ms(), free);
    for outgoing in deliveries {
        let permit = Arc::clone(slots).try_acquire_owned();
        let (worlds, client) = (Arc::clone(worlds), client.clone());
        tasks.spawn(async move {
            let _permit = permit;
            let stopped = worlds.stopped.clone();
            if stopped.run_until_cancelled(deliver(&worlds, &client, outgoing)).await.is_some() {
                worlds.changed();
            }
        });
    }
    let reports = worlds.ci().due_reports(machine_ms());
    for report in reports {
        let (worlds, client) = (Arc::clone(worlds), client.clone());
        tasks.spawn(async move {
            let stopped = worlds.stopped.clone();
            if stopped.run_until_cancelled(send_report(&worlds, &client, report)).await.is_some() {
                worlds.changed();
            }
        });
    }
}

/// The time until something falls due. A due delivery without a free slot does not count: it can go
/// only when another one has ended, and that wakes the loop.
fn until_next_ms(worlds: &Worlds, has_free_slot: bool) -> u64 {
    let delivery = worlds.ado().next_due_ms().filter(|_| has_free_slot);
    let delivery = delivery.map(|due_ms| due_ms - worlds.now_ms());
    let report = worlds.ci().next_due_ms().map(|due_ms| due_ms - machine_ms());
    let wait_ms = delivery.into_iter().chain(report).min().unwrap_or(SLEEP_LIMIT_MS);
    wait_ms.clamp(1, SLEEP_LIMIT_MS).unsigned_abs()
}

async fn deliver(worlds: &Worlds, client: &reqwest::Client, outgoing: Outgoing) {
    let mut request = client.post(&outgoing.url).body(outgoing.body);
    for (name, value) in &outgoing.headers {
        request = request.header(name, value);
    }
    let answer = match request.send().await {
        Ok(response) => Answer::Status(response.status().as_u16()),
        Err(error) if error.is_timeout() => Answer::Timeout,
        Err(error) if error.is_connect() => Answer::NoConnection,
        Err(_) => Answer::DroppedAfterSend,
    };
    worlds.ado().delivery_answered(outgoing.token, answer, worlds.now_ms());
}

async fn send_report(worlds: &Worlds, client: &reqwest::Client, report: Report) {
    let request = client
        .post(&report.url)
        .bearer_auth(&report.bearer)
        .header("content-type", "application/json")
        .body(report.body);
    let (status, body) = match request.send().await {
        Ok(response) => {
            let status = response.status().as_u16();
            (Some(status), response.bytes().await.unwrap_or_default().to_vec())
        }
        Err(_) => (None, Vec::new()),
    };
    worlds.ci().report_answered(report.token, status, &body, machine_ms());
}
