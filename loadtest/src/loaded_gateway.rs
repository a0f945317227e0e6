//! A running gateway under load, and whether it stored what it acknowledged, exactly once: asked of
//! the gateway as an operator would ask.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use crate::bodies::Bodies;
use crate::deliveries::{Deliveries, Sending, Tally};
use crate::filling::{self, as_number};
use crate::gateway::Gateway;
use crate::metrics;
use crate::pace::Pace;
use crate::phase;
use crate::rounds::Measurement;
use crate::server::Server;

/// See the module.
#[derive(Debug)]
pub(crate) struct LoadedGateway {
    pub(crate) gateway: Gateway,
    /// How many deliveries its store held before.
    pub(crate) filled: u64,
    pub(crate) server: Server,
    /// From the start of the process to its first answer.
    pub(crate) start_time: Duration,
    pub(crate) deliveries: Rc<Deliveries>,
    pub(crate) account: Account,
}

/// What was promised, and what is stored.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// New deliveries that were answered with success, those included that were filled in.
    acknowledged: u64,
    /// Sent without an answer of success: they may be stored, once.
    uncertain: u64,
    duplicates: u64,
    /// Deliveries are numbered from 1 without holes, so this is the newest number.
    pub(crate) stored: u64,
    /// To be sent again at the end: none of them may be stored twice.
    recent: Vec<u64>,
    /// Empty if everything is as it should be.
    pub(crate) problems: Vec<String>,
}

impl LoadedGateway {
    /// Starts a gateway whose store holds `filled` deliveries.
    pub(crate) async fn start(
        gateway: Gateway,
        filled: u64,
        bodies: &Rc<Bodies>,
        sending: Sending,
        pinned: bool,
    ) -> anyhow::Result<Self> {
        let (server, start_time) = gateway.serve(pinned).await?;
        let deliveries = Deliveries::new(server.address, &gateway.hooks()?, bodies, sending)?;
        filling::check(server.address, filled).await?;
        let account = Account { acknowledged: filled, ..Account::default() };
        let deliveries = Rc::new(deliveries);
        Ok(Self { gateway, filled, server, start_time, deliveries, account })
    }

    /// Measures a stretch of load.
    pub(crate) async fn measure(
        &mut self,
        subject: impl Into<String>,
        connections: usize,
        pace: impl FnOnce() -> Pace,
    ) -> anyhow::Result<Measurement> {
        let id = self.server.id();
        let (measured, tally) =
            phase::measure(subject, &self.deliveries, id, connections, pace).await?;
        self.note(&tally);
        self.note_recent();
        self.account.uncertain += tally.failed();
        Ok(measured)
    }

    /// Notes what was acknowledged.
    pub(crate) fn note(&mut self, tally: &Tally) {
        self.account.acknowledged += tally.acknowledged;
        self.account.duplicates += tally.duplicates;
    }

    /// Notes the deliveries that are to be sent again at the end.
    pub(crate) fn note_recent(&mut self) {
        self.account.recent.extend(self.deliveries.take_recent());
    }

    /// Waits until everything is decided, however long that takes. The seconds that it took, which
    /// are infinite where the gateway came to a standstill.
    pub(crate) async fn wait_until_decided(&mut self) -> anyhow::Result<f64> {
        let decided = metrics::wait_until_decided(self.server.address, None).await?;
        if decided.is_none() {
            self.account.problems.push("some deliveries are never decided".to_owned());
        }
        Ok(decided.map_or(f64::INFINITY, |took| took.as_secs_f64()))
    }

    /// Sends the noted deliveries again, stops the gateway and counts what it stored.
    pub(crate) async fn finish(self) -> anyhow::Result<(Gateway, Account)> {
        let Self { gateway, server, deliveries, mut account, .. } = self;
        deliveries.resend(&account.recent).await?;
        account.duplicates += account.recent.len() as u64;
        account.problems.extend(server.stop().await?);
        account.compare(&gateway.newest_deliveries()?);
        Ok((gateway, account))
    }
}

impl Account {
    /// Compares with the newest page of what is stored: no key twice, no hole in the numbers.
    fn compare(&mut self, newest: &[Value]) {
        let id = |row: &Value| row.get("id").and_then(as_number);
        self.stored = newest.first().and_then(id).unwrap_or_default();
        let most = self.acknowledged + self.uncertain;
        if self.stored < self.acknowledged {
            let lost = self.acknowledged - self.stored;
            self.problems.push(format!("{lost} acknowledged deliveries are not stored"));
        } else if self.stored > most {
            let extra = self.stored - most;
            self.problems.push(format!("{extra} more are stored than were sent"));
        }
        let mut keys = HashSet::new();
        for (row, number) in newest.iter().zip((1..=self.stored).rev()) {
            let key = |name| row.get(name).map(Value::to_string).unwrap_or_default();
            if !keys.insert((key("subscription"), key("notification"))) {
                self.problems.push(format!("delivery {number} is stored twice"));
            }
            if id(row) != Some(number) {
                self.problems.push(format!("there is a hole at delivery {number}"));
                return;
            }
        }
    }

    /// For the reader.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} deliveries acknowledged, {} uncertain, {} sent again, {} stored",
            self.acknowledged, self.uncertain, self.duplicates, self.stored
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Account;

    #[test]
    fn what_is_lost_doubled_or_missing_is_a_problem() {
        let row = |id: u64, notification: u64| json!({"id": id, "notification": notification});
        let problems = |acknowledged, rows: &[_]| {
            let mut account = Account { acknowledged, uncertain: 1, ..Account::default() };
            account.compare(rows);
            account.problems.len()
        };
        assert_eq!(problems(2, &[row(3, 3), row(2, 2), row(1, 1)]), 0);
        assert_eq!(problems(4, &[row(3, 3), row(2, 2), row(1, 1)]), 1, "lost");
        assert_eq!(problems(1, &[row(3, 3), row(2, 2), row(1, 1)]), 1, "more than sent");
        assert_eq!(problems(2, &[row(3, 3), row(2, 3), row(1, 1)]), 1, "twice");
        assert_eq!(problems(2, &[row(3, 3), row(1, 1)]), 1, "a hole");
    }
}
