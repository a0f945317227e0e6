//! What keeps deliveries from being stored or read back, logged once per cause.

use parking_lot::Mutex;

use crate::storage::Availability;

/// What the disk is used for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DiskUse {
    /// Writing to the intake.
    Intake,
    /// Reading what is in the intake.
    IntakeReading,
    /// Writing to the database.
    Database,
}

/// For each use the advice to the operator, while the last attempt failed.
#[derive(Debug, Default)]
pub(crate) struct DiskFaults(Mutex<Faults>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Faults {
    intake: Option<String>,
    intake_reading: Option<String>,
    database: Option<String>,
}

impl DiskFaults {
    /// Records how the last attempt ended: with `advice` where it failed.
    pub(crate) fn set(&self, disk_use: DiskUse, advice: Option<String>) {
        let mut faults = self.0.lock();
        let before = faults.availability();
        match disk_use {
            DiskUse::Intake => faults.intake = advice,
            DiskUse::IntakeReading => faults.intake_reading = advice,
            DiskUse::Database => faults.database = advice,
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

    /// Whether the last attempt succeeded.
    pub(crate) fn is_working(&self, disk_use: DiskUse) -> bool {
        let faults = self.0.lock();
        match disk_use {
            DiskUse::Intake => faults.intake.is_none(),
            DiskUse::IntakeReading => faults.intake_reading.is_none(),
            DiskUse::Database => faults.database.is_none(),
        }
    }

    /// Why no delivery is taken although the intake may be writable: it would stay there undecided.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.0.lock().undecidable().cloned()
    }
}

impl Faults {
    fn undecidable(&self) -> Option<&String> {
        self.database.as_ref().or(self.intake_reading.as_ref())
    }

    fn availability(&self) -> Availability {
        match self.undecidable().or(self.intake.as_ref()) {
            Some(advice) => Availability::Unwritable(advice.clone()),
            None => Availability::Writable,
        }
    }
}
