//! Deliveries about a pull request or repository for which Azure DevOps is being asked something:
//! they are left to the task that asks, which decides them in their order.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::ado::hooks::Delivered;
use crate::storage::LeasedDelivery;

/// A delivery and its content.
pub(super) type Read = (LeasedDelivery, Delivered);

/// The subjects that a task asks about, each with the deliveries that came meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Asking(Arc<Mutex<HashMap<String, VecDeque<Read>>>>);

impl Asking {
    /// Leaves deliveries to the task that asks about their subject; gives them back if there is
    /// none.
    pub(super) fn leave(&self, subject: &str, same: VecDeque<Read>) -> Option<VecDeque<Read>> {
        let mut asking = self.0.lock();
        let Some(waiting) = asking.get_mut(subject) else { return Some(same) };
        for read in same {
            // Its lease has ended, and it was claimed again.
            waiting.retain(|(delivery, _)| delivery.lease.id != read.0.lease.id);
            waiting.push_back(read);
        }
        None
    }

    /// Deliveries about the subject are left to the caller from now on.
    pub(super) fn begin(&self, subject: String) -> Subject {
        self.0.lock().insert(subject.clone(), VecDeque::new());
        Subject { name: subject, asking: self.clone() }
    }
}

/// A pull request or repository for which a task asks Azure DevOps. While this exists, deliveries
/// about it are left to the task. Those that it has not decided when this is dropped are claimed
/// again when their leases have ended.
pub(super) struct Subject {
    name: String,
    asking: Asking,
}

impl Subject {
    /// The deliveries that were left to the task since the last call. None where there are none:
    /// then the task ends, and later deliveries are decided as usual.
    pub(super) fn next(&self) -> Option<VecDeque<Read>> {
        let mut asking = self.asking.0.lock();
        let waiting = asking.get_mut(&self.name).map(std::mem::take).unwrap_or_default();
        if waiting.is_empty() {
            asking.remove(&self.name);
            return None;
        }
        Some(waiting)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.asking.0.lock().remove(&self.name);
    }
}
