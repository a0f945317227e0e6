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
use crate::postgres::{Counters, Postgres};
use crate::processes::Processes;
use crate::replicas::Replicas;
use crate::rounds::Measurement;
use crate::server::Server;

/// See the module.
#[derive(Debug)]
pub(crate) struct LoadedGateway {
    pub(crate) gateway: Gateway,
    /// How many deliveries its store held before.
    pub(crate) filled: u64,
    /// None of them runs while a gateway on PostgreSQL rests.
    pub(crate) replicas: Replicas,
    /// From the start of the processes to their first answers.
    pub(crate) start_time: Duration,
    pub(crate) deliveries: Rc<Deliveries>,
    pub(crate) account: Account,
    /// The statements of the last measurement, where the database counts them.
    pub(crate) statements: Vec<Measurement>,
    /// The largest resident memory of a process that was stopped.
    peak_mib: f64,
    pinned: bool,
}

/// What was promised, and what is stored.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// New deliveries that were answered with success, those included that were filled in.
    acknowledged: u64,
    /// Sent without an answer of success: they may be stored, once.
    uncertain: u64,
    duplicates: u64,
    /// SQLite numbers deliveries from 1 without holes, so there this is the newest number.
    pub(crate) stored: u64,
    /// Whether numbers may have holes, as those of PostgreSQL do.
    may_have_holes: bool,
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
        let (replicas, start_time) = gateway.serve(pinned).await?;
        let deliveries = Deliveries::new(replicas.address, &gateway.hooks()?, bodies, sending)?;
        filling::check(replicas.address, filled).await?;
        let may_have_holes = gateway.store.postgres.is_some();
        let account = Account { acknowledged: filled, may_have_holes, ..Account::default() };
        Ok(Self {
            gateway,
            filled,
            replicas,
            start_time,
            deliveries: Rc::new(deliveries),
            account,
            statements: Vec::new(),
            peak_mib: 0.0,
            pinned,
        })
    }

    /// Takes the processor away from it, so that its backlog does not disturb other measurements. A
    /// paused process would be dead for others on its database, and its transactions ended: there
    /// it is stopped.
    pub(crate) async fn rest(&mut self) -> anyhow::Result<()> {
        if self.gateway.store.postgres.is_none() {
            return self.replicas.all.iter().try_for_each(Server::pause);
        }
        self.peak_mib = self.peak_mib()?;
        let address = self.replicas.address;
        let nobody = Replicas { address, all: Vec::new(), proxy: None };
        let replicas = std::mem::replace(&mut self.replicas, nobody);
        self.account.problems.extend(replicas.stop().await?);
        Ok(())
    }

    /// Ends a rest.
    pub(crate) async fn wake(&mut self) -> anyhow::Result<()> {
        if self.gateway.store.postgres.is_none() {
            return self.replicas.all.iter().try_for_each(Server::resume);
        }
        (self.replicas, _) = self.gateway.serve(self.pinned).await?;
        Ok(())
    }

    /// The largest resident memory of a process so far.
    pub(crate) fn peak_mib(&self) -> anyhow::Result<f64> {
        let [_, peak_mib] = self.replicas.resident_mib()?;
        Ok(peak_mib.max(self.peak_mib))
    }

    /// All that work for it.
    pub(crate) fn processes(&self) -> Processes {
        let postgres = self.gateway.store.postgres.as_ref();
        self.replicas.processes(postgres.map(Postgres::id))
    }

    async fn counters(&self) -> anyhow::Result<Option<Counters>> {
        match &self.gateway.store.postgres {
            Some(postgres) => Ok(Some(postgres.counters().await?)),
            None => Ok(None),
        }
    }

    /// Measures a stretch of load.
    pub(crate) async fn measure(
        &mut self,
        subject: impl Into<String>,
        connections: usize,
        pace: impl FnOnce() -> Pace,
    ) -> anyhow::Result<Measurement> {
        let (processes, before) = (self.processes(), self.counters().await?);
        let (mut measured, tally) =
            phase::measure(subject, &self.deliveries, &processes, connections, pace).await?;
        if let Some((before, after)) = before.zip(self.counters().await?) {
            let accepts = tally.acknowledged as f64;
            for (figure, value) in after.since(&before, accepts) {
                measured.add(figure, value);
            }
            self.statements = after.statements_since(&before, accepts);
        }
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
        let decided = metrics::wait_until_decided(&self.replicas.addresses(), None).await?;
        if decided.is_none() {
            self.account.problems.push("some deliveries are never decided".to_owned());
        }
        Ok(decided.map_or(f64::INFINITY, |took| took.as_secs_f64()))
    }

    /// Sends the noted deliveries again, stops the gateway and counts what it stored.
    pub(crate) async fn finish(self) -> anyhow::Result<(Gateway, Account)> {
        let Self { gateway, replicas, deliveries, mut account, .. } = self;
        deliveries.resend(&account.recent).await?;
        account.duplicates += account.recent.len() as u64;
        account.problems.extend(replicas.stop().await?);
        if let Some(postgres) = &gateway.store.postgres {
            account.stored = postgres.deliveries()?;
        }
        account.compare(&gateway.newest_deliveries()?);
        Ok((gateway, account))
    }
}

impl Account {
    /// Compares with the newest page of what is stored: no key twice, and no hole in numbers that
    /// may have none.
    fn compare(&mut self, newest: &[Value]) {
        let id = |row: &Value| row.get("id").and_then(as_number);
        if !self.may_have_holes {
            self.stored = newest.first().and_then(id).unwrap_or_default();
        }
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
            if id(row) != Some(number) && !self.may_have_holes {
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
