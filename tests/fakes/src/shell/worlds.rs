//! The worlds of a running shell, and what its server and its tasks share with them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::held_requests::HeldRequests;
use crate::systems::System;
use crate::{ado, bearers, ci, entra};

/// The worlds, behind locks that are always taken in the order Entra, ADO, CI.
#[derive(Debug)]
pub(super) struct Worlds {
    pub(super) ado: Mutex<ado::World>,
    pub(super) ci: Mutex<ci::World>,
    pub(super) entra: Mutex<entra::World>,
    /// By the first segment of the path below which each is served. Locked alone.
    systems: Mutex<BTreeMap<String, Box<dyn System>>>,
    /// Counts changes of any world, for what waits for a condition.
    pub(super) changes: watch::Sender<u64>,
    /// Wakes the loop that sends. Not every change does, since most make nothing due.
    pub(super) due: Notify,
    pub(super) held: HeldRequests,
    pub(super) clock: Clock,
    pub(super) stopped: CancellationToken,
}

impl Worlds {
    pub(super) fn new(ado: ado::World, ci: ci::World, entra: entra::World, clock: Clock) -> Self {
        Self {
            ado: Mutex::new(ado),
            ci: Mutex::new(ci),
            entra: Mutex::new(entra),
            systems: Mutex::default(),
            changes: watch::Sender::new(0),
            due: Notify::new(),
            held: HeldRequests::default(),
            clock,
            stopped: CancellationToken::new(),
        }
    }

    pub(super) fn ado(&self) -> MutexGuard<'_, ado::World> {
        self.ado.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ci(&self) -> MutexGuard<'_, ci::World> {
        self.ci.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn entra(&self) -> MutexGuard<'_, entra::World> {
        self.entra.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn systems(&self) -> MutexGuard<'_, BTreeMap<String, Box<dyn System>>> {
        self.systems.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time at ADO and Entra, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Makes ADO accept the tokens that Entra has issued, before a caller can use them.
    pub(super) fn pass_on_issued_tokens(&self) {
        let mut entra = self.entra();
        bearers::pass_on_issued(&mut entra, &mut self.ado());
    }

    /// Wakes what waits for a change, and the loop that sends where something may be due.
    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
        // The caller itself may hold a lock. Then it is not known whether something is due.
        let of_ado = self.ado.try_lock().map_or(true, |ado| ado.next_due_ms().is_some());
        let of_ci = self.ci.try_lock().map_or(true, |ci| ci.next_due_ms().is_some());
        if of_ado || of_ci {
            self.due.notify_one();
        }
    }

    /// Waits until a condition holds, without a bound: each caller sets its own.
    pub(super) async fn until(&self, mut condition: impl FnMut(&ado::World, &ci::World) -> bool) {
        let mut changes = self.changes.subscribe();
        loop {
            let holds = condition(&self.ado(), &self.ci());
            if holds || changes.changed().await.is_err() {
                return;
            }
        }
    }
}
