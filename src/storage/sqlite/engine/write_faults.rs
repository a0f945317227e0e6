//! What keeps the intake or the database from being written, logged once per cause.

use parking_lot::Mutex;

use crate::storage::Availability;

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WriteTarget {
    Intake,
    Database,
}

/// For each target the advice to the operator, while its last write failed.
#[derive(Debug, Default)]
pub(crate) struct WriteFaults(Mutex<Faults>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Faults {
    intake: Option<String>,
    database: Option<String>,
}

impl WriteFaults {
    /// Records how the last write ended: with `advice` where it failed.
    pub(crate) fn set(&self, target: WriteTarget, advice: Option<String>) {
        let mut faults = self.0.lock();
        let before = faults.availability();
        match target {
            WriteTarget::Intake => faults.intake = advice,
            WriteTarget::Database => faults.database = advice,
        }
        // Each of these lines may page somebody, so a fault is logged again only when the advice
        // changes.
        match faults.availability() {
            now if now == before => {}
            Availability::Writable => tracing::info!("deliveries can be stored again"),
            Availability::Unwritable(advice) => {
                tracing::error!("deliveries cannot be stored and are answered 503: {advice}");
            }
        }
    }

    pub(crate) fn availability(&self) -> Availability {
        self.0.lock().availability()
    }

    /// Whether the last write to the target succeeded.
    pub(crate) fn is_writable(&self, target: WriteTarget) -> bool {
        let faults = self.0.lock();
        match target {
            WriteTarget::Intake => faults.intake.is_none(),
            WriteTarget::Database => faults.database.is_none(),
        }
    }
}

impl Faults {
    /// The fault of the database comes first: deliveries that it does not take stay in the intake.
    fn availability(&self) -> Availability {
        match self.database.as_ref().or(self.intake.as_ref()) {
            Some(advice) => Availability::Unwritable(advice.clone()),
            None => Availability::Writable,
        }
    }
}
