//! Advancing the clock of ADO and Entra, with everything that falls due meanwhile.
//!
//! Time advances from one due delivery to the next, so that hours of retries take moments and still
//! happen in order.

use std::time::Duration;

use super::worlds::Worlds;

/// How long the deliveries of one step may take in real time. Each attempt ends by its own time-out
/// long before; more means that deliveries keep causing deliveries, and time would never advance.
const STEP_LIMIT: Duration = Duration::from_secs(120);

impl Worlds {
    /// Advances the clock; each delivery and retry that falls due meanwhile is sent and answered at
    /// its time, before the next one.
    pub(super) async fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let end_ms = self.now_ms().saturating_add(by_ms);
        self.apply_time();
        loop {
            let finished = tokio::time::timeout(STEP_LIMIT, self.until_deliveries_are_answered());
            assert!(
                finished.await.is_ok(),
                "the deliveries due by now were not all answered within {STEP_LIMIT:?}"
            );
            let next = self.ado().next_due_ms().filter(|due_ms| *due_ms <= end_ms);
            let Some(due_ms) = next else { break };
            self.clock.advance_to(due_ms);
            self.apply_time();
        }
        self.clock.advance_to(end_ms);
        self.apply_time();
    }

    /// Waits for what is due and what is under way. An answer may make further deliveries due at
    /// once.
    async fn until_deliveries_are_answered(&self) {
        self.until(|ado, _| {
            let next = ado.next_delivery_ms();
            let is_due = next.is_some_and(|due_ms| due_ms <= self.now_ms());
            !is_due && ado.deliveries_under_way() == 0
        })
        .await;
    }

    /// Gives the worlds the time, which finishes due merge attempts, and wakes the loop that sends.
    fn apply_time(&self) {
        let now_ms = self.now_ms();
        self.ado().set_now(now_ms);
        self.entra().set_now(now_ms);
        self.changed();
    }
}
