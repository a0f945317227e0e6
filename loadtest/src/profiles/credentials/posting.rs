//! Posts statuses to the gateway at an even rate, whatever it answers, and asks it afterwards how
//! long each took to arrive. It must never ask while it posts.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::MissedTickBehavior;

use super::place::Place;
use super::turn::Load;
use crate::caller::Caller;
use crate::connections::Connection;
use crate::gateway::OPERATOR;
use crate::latencies::Curve;
use crate::tally::as_float;

const ACCEPTED: u16 = 202;
/// How long statuses may take that were accepted.
const SETTLED_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// From the moment at which the gateway had stored a status to the answer of Azure DevOps.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Took {
    pub(crate) median_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) curve: Curve,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Posting<'a> {
    connection: Connection,
    caller: Caller,
    place: &'a Place,
    load: &'a Load,
    next: u64,
}

impl<'a> Posting<'a> {
    pub(super) async fn start(
        gateway: SocketAddr,
        place: &'a Place,
        load: &'a Load,
    ) -> anyhow::Result<Self> {
        let connection = Connection::open(gateway).await?;
        let caller = Caller::with_token(gateway, OPERATOR);
        Ok(Self { connection, caller, place, load, next: 0 })
    }

    /// Posts for that long; what the gateway called the statuses.
    pub(super) async fn load(&mut self, time: Duration) -> anyhow::Result<HashSet<String>> {
        let every = Duration::from_secs_f64(f64::from(self.load.burst) / self.load.rate);
        let mut pace = tokio::time::interval(every);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut accepted = HashSet::new();
        let begun = Instant::now();
        while begun.elapsed() < time {
            if tokio::time::timeout(time.saturating_sub(begun.elapsed()), pace.tick())
                .await
                .is_err()
            {
                break;
            }
            for _ in 0..self.load.burst {
                accepted.insert(self.post().await?);
            }
        }
        Ok(accepted)
    }

    async fn post(&mut self) -> anyhow::Result<String> {
        let body = self.place.status(self.next).to_string();
        self.next += 1;
        let headers = format!("authorization: Bearer {OPERATOR}\r\n");
        let response = self.connection.ask("POST", "/v1/statuses", &headers, &body).await?;
        let text = String::from_utf8_lossy(&response.body);
        ensure!(response.status == ACCEPTED, "a status was answered {}: {text}", response.status);
        let answer: Value = serde_json::from_slice(&response.body)?;
        Ok(answer.get("status").context("a status without an id")?.to_string())
    }

    /// Waits until nothing is queued, and says what did not work out.
    pub(super) async fn settle(&self) -> anyhow::Result<Vec<String>> {
        let begun = Instant::now();
        while !self.page("outcome=queued&limit=1").await?.0.is_empty() {
            if begun.elapsed() > SETTLED_MAX {
                return Ok(vec!["statuses were still queued after a minute".to_owned()]);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(Vec::new())
    }

    /// How long these took.
    pub(super) async fn took(&self, statuses: &HashSet<String>) -> anyhow::Result<Took> {
        let mut all = Vec::with_capacity(statuses.len());
        let mut query = "outcome=posted&limit=500".to_owned();
        loop {
            let (items, next) = self.page(&query).await?;
            for item in &items {
                let id = item.get("id").map(Value::to_string).unwrap_or_default();
                if statuses.contains(&id) {
                    all.push(took(item).context("a status without its times")?);
                }
            }
            match next {
                Some(next) => query = format!("outcome=posted&limit=500&cursor={next}"),
                None => return Ok(Took::of(all)),
            }
        }
    }

    async fn page(&self, query: &str) -> anyhow::Result<(Vec<Value>, Option<String>)> {
        let list = self.caller.get(&format!("/v1/statuses?{query}")).await?;
        let items = list.get("items").and_then(Value::as_array).context("a list without items")?;
        let next = list.get("next").and_then(Value::as_str).map(str::to_owned);
        Ok((items.clone(), next))
    }
}

impl Took {
    fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        let last = all.len().saturating_sub(1);
        let at = |percent: usize| all.get(last * percent / 100).copied().unwrap_or_default();
        let count = as_float(all.len() as u64);
        let curve =
            (0_u32..).zip(&all).map(|(place, ms)| [f64::from(place) / count, *ms]).collect();
        Self { median_ms: at(50), p99_ms: at(99), max_ms: at(100), curve }
    }
}

/// In milliseconds, which is as exactly as the gateway tells.
fn took(item: &Value) -> Option<f64> {
    let at = |key| OffsetDateTime::parse(item.get(key)?.as_str()?, &Rfc3339).ok();
    Some((at("posted_at")? - at("queued_at")?).as_seconds_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Took, took};

    #[test]
    fn times_are_subtracted() {
        let item = json!({"queued_at": "2026-01-02T03:04:05.9Z",
            "posted_at": "2026-01-02T03:04:06.025Z"});
        assert!((took(&item).unwrap() - 125.0).abs() < 1e-6);
        assert_eq!(took(&json!({"queued_at": "2026-01-02T03:04:05Z", "posted_at": null})), None);
        let took = Took::of((0..=100).rev().map(f64::from).collect());
        assert_eq!((took.median_ms, took.p99_ms, took.max_ms), (50.0, 99.0, 100.0));
    }
}
