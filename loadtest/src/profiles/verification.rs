//! Whether what was acknowledged is stored, exactly once: asked of the gateway as an operator
//! would. It must never excuse a difference.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use crate::children::Server;
use crate::connections::{Connection, Target};
use crate::gateway::Gateway;

const STOP_MAX: Duration = Duration::from_secs(60);
const ACCEPTED: u16 = 202;

/// What was promised, and what is there.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verification {
    /// Answers of 202 to deliveries that were new.
    pub(crate) acknowledged: u64,
    /// Sent without an answer of 202: they may be stored, once.
    pub(crate) uncertain: u64,
    /// Sent again after they were acknowledged.
    pub(crate) resent: u64,
    /// Rows in the store: deliveries are numbered from 1 without holes.
    pub(crate) stored: u64,
    /// Empty if everything is as it should be.
    pub(crate) problems: Vec<String>,
}

impl Verification {
    /// Sends deliveries again that were acknowledged; each must be acknowledged once more.
    pub(crate) async fn resend(&mut self, target: &Target, numbers: &[u64]) -> anyhow::Result<()> {
        let mut connection = Connection::open(target.address()).await?;
        let mut request = Vec::new();
        for number in numbers {
            target.render(*number, &mut request)?;
            let status = connection.send(&request).await.context("a resend broke")?.status;
            self.resent += 1;
            if status != ACCEPTED {
                self.problems.push(format!("resent delivery {number} was answered {status}"));
            }
        }
        Ok(())
    }

    /// Stops the gateway with SIGTERM and counts what it stored.
    pub(crate) async fn count(&mut self, gateway: &Gateway, server: Server) -> anyhow::Result<()> {
        let ended = server.stop(STOP_MAX).await?;
        if !ended.success() {
            self.problems.push(format!("the gateway ended with {ended} after SIGTERM"));
        }
        let newest = gateway.newest()?;
        self.stored = newest.first().and_then(id).unwrap_or_default();
        let most = self.acknowledged + self.uncertain;
        if self.stored < self.acknowledged {
            let lost = self.acknowledged - self.stored;
            self.problems.push(format!("{lost} acknowledged deliveries are not stored"));
        } else if self.stored > most {
            let doubled = self.stored - most;
            self.problems.push(format!("{doubled} more are stored than were sent"));
        }
        self.look_at(&newest);
        Ok(())
    }

    /// The newest page: no key twice, no hole in the numbers.
    fn look_at(&mut self, newest: &[Value]) {
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

    pub(crate) fn print(&self) {
        println!(
            "verification: {} acknowledged, {} uncertain, {} resent, {} stored: {}",
            self.acknowledged,
            self.uncertain,
            self.resent,
            self.stored,
            if self.problems.is_empty() { "each stored exactly once" } else { "FAILED" }
        );
        for problem in &self.problems {
            println!("  {problem}");
        }
    }
}

/// As a number or as text: the API may do either.
fn id(row: &Value) -> Option<u64> {
    let id = row.get("id")?;
    id.as_u64().or_else(|| id.as_str()?.parse().ok())
}
