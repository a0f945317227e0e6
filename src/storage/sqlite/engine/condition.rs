//! Whether deliveries can be stored: one answer of the two that write, told once per cause.
//!
//! It must never be asked to write anything itself.

use std::sync::{Mutex, PoisonError};

use crate::storage::Availability;

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Intake,
    Database,
}

/// What keeps each from writing, and what to do about it.
#[derive(Debug, Default)]
pub(crate) struct Condition(Mutex<[Option<String>; 2]>);

impl Condition {
    /// What `part` last came to.
    pub(crate) fn set(&self, part: Part, advice: Option<String>) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = health(&parts);
        let [intake, database] = &mut *parts;
        match part {
            Part::Intake => *intake = advice,
            Part::Database => *database = advice,
        }
        // Somebody may be paged for each line; what to do may change while the fault lasts.
        match health(&parts) {
            now if now == before => {}
            Availability::Writable => tracing::info!("deliveries can be stored again"),
            Availability::Unwritable(advice) => {
                tracing::error!("deliveries cannot be stored and are answered 503: {advice}");
            }
        }
    }

    pub(crate) fn health(&self) -> Availability {
        health(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the last that `part` wrote is there.
    pub(crate) fn is_well(&self, part: Part) -> bool {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [intake, database] = &*parts;
        match part {
            Part::Intake => intake.is_none(),
            Part::Database => database.is_none(),
        }
    }
}

/// The database first: what it does not take in would only lie in the intake.
fn health([intake, database]: &[Option<String>; 2]) -> Availability {
    match database.as_ref().or(intake.as_ref()) {
        Some(advice) => Availability::Unwritable(advice.clone()),
        None => Availability::Writable,
    }
}
