//! The loop that sends what falls due: ADO's deliveries and the CI's reports.
//!
//! It is woken when something may be due and by the next due time, and tells the worlds what became
//! of each sending. It must never look into what it sends.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::Shared;
use super::clock::machine_ms;
use crate::ado::{Answer, Outgoing};
use crate::ci::Report;

const IN_FLIGHT_LIMIT: usize = 256;
const TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_NAP_MS: i64 = 1_000;

/// A client that follows no redirect and knows no proxy.
pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder().redirect(Policy::none()).no_proxy();
    builder.timeout(TIMEOUT).connect_timeout(TIMEOUT).build()
}

/// Sends until the shell stops.
pub(super) async fn run(shared: Arc<Shared>, client: reqwest::Client, tasks: TaskTracker) {
    let slots = Arc::new(Semaphore::new(IN_FLIGHT_LIMIT));
    while !shared.stopped.is_cancelled() {
        send_due(&shared, &client, &tasks, &slots);
        let has_room = slots.available_permits() > 0;
        let nap = Duration::from_millis(nap_ms(&shared, has_room));
        tokio::select! {
            () = shared.stopped.cancelled() => {}
            () = shared.due.notified() => {}
            () = tokio::time::sleep(nap) => {}
        }
    }
}

fn send_due(
    shared: &Arc<Shared>,
    client: &reqwest::Client,
    tasks: &TaskTracker,
    slots: &Arc<Semaphore>,
) {
    let room = slots.available_permits();
    let deliveries = shared.ado().due_deliveries_at_most(shared.now_ms(), room);
    for outgoing in deliveries {
        let permit = Arc::clone(slots).try_acquire_owned();
        let (shared, client) = (Arc::clone(shared), client.clone());
        tasks.spawn(async move {
            let _permit = permit;
            let stopped = shared.stopped.clone();
            if stopped.run_until_cancelled(deliver(&shared, &client, outgoing)).await.is_some() {
                shared.changed();
            }
        });
    }
    let reports = shared.ci().due_reports(machine_ms());
    for report in reports {
        let (shared, client) = (Arc::clone(shared), client.clone());
        tasks.spawn(async move {
            let stopped = shared.stopped.clone();
            if stopped.run_until_cancelled(tell(&shared, &client, report)).await.is_some() {
                shared.changed();
            }
        });
    }
}

/// How long nothing falls due. Without room, only a change makes a difference.
fn nap_ms(shared: &Shared, has_room: bool) -> u64 {
    let delivery = shared.ado().next_due_ms().filter(|_| has_room);
    let delivery = delivery.map(|due_ms| due_ms - shared.now_ms());
    let report = shared.ci().next_due_ms().map(|due_ms| due_ms - machine_ms());
    let wait_ms = delivery.into_iter().chain(report).min().unwrap_or(LONGEST_NAP_MS);
    wait_ms.clamp(1, LONGEST_NAP_MS).unsigned_abs()
}

async fn deliver(shared: &Shared, client: &reqwest::Client, outgoing: Outgoing) {
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
    shared.ado().delivery_answered(outgoing.token, answer, shared.now_ms());
}

async fn tell(shared: &Shared, client: &reqwest::Client, report: Report) {
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
    shared.ci().report_answered(report.token, status, &body, machine_ms());
}
