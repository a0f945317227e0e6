//! The serial numbers of the PATs that this process is minting, using or revoking.
//!
//! A PAT's name contains its serial. The sweep revokes every PAT of this process whose serial is
//! not registered here, and a pause waits until none is.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Serials {
    state: Mutex<State>,
    /// Notified whenever the last serial is released.
    all_released: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The newest serial that was given out; serials begin at 1.
    last: u64,
    registered: HashSet<u64>,
    is_paused: bool,
}

/// A registered serial. Dropping it releases the serial.
#[derive(Debug)]
pub(super) struct Serial {
    pub(super) number: u64,
    serials: Arc<Serials>,
}

/// The registered serials at one moment.
pub(super) struct Snapshot {
    last: u64,
    registered: HashSet<u64>,
}

impl Serials {
    /// Registers a new serial; none while paused.
    pub(super) fn register(self: &Arc<Self>) -> Option<Serial> {
        let mut state = self.state.lock();
        if state.is_paused {
            return None;
        }
        state.last += 1;
        let number = state.last;
        state.registered.insert(number);
        metrics::gauge!("azdo_gateway_pats_alive").increment(1);
        Some(Serial { number, serials: Arc::clone(self) })
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let state = self.state.lock();
        Snapshot { last: state.last, registered: state.registered.clone() }
    }

    /// How many serials are registered.
    pub(super) fn count(&self) -> usize {
        self.state.lock().registered.len()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.state.lock().is_paused
    }

    /// Registers nothing more until [`Serials::resume`].
    pub(super) fn pause(&self) {
        self.state.lock().is_paused = true;
    }

    pub(super) fn resume(&self) {
        self.state.lock().is_paused = false;
    }

    /// Returns when no serial is registered.
    pub(super) async fn wait_until_released(&self) {
        loop {
            let all_released = self.all_released.notified();
            if self.count() == 0 {
                return;
            }
            all_released.await;
        }
    }
}

impl Snapshot {
    /// Whether a PAT with this serial was in use then, or may have been minted since.
    pub(super) fn may_be_live(&self, serial: u64) -> bool {
        serial > self.last || self.registered.contains(&serial)
    }
}

impl Drop for Serial {
    fn drop(&mut self) {
        let mut state = self.serials.state.lock();
        state.registered.remove(&self.number);
        metrics::gauge!("azdo_gateway_pats_alive").decrement(1);
        if state.registered.is_empty() {
            self.serials.all_released.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_live_until_it_is_dropped_and_from_when_it_may_be_given_out() {
        let serials = Arc::<Serials>::default();
        let one = serials.register().expect("it is not paused");
        let two = serials.register().expect("it is not paused");
        assert_eq!((one.number, two.number), (1, 2));
        drop(one);
        let snapshot = serials.snapshot();
        assert!(!snapshot.may_be_live(1), "it was dropped");
        assert!(snapshot.may_be_live(2), "it is registered");
        assert!(snapshot.may_be_live(3), "it may have been given out since");
    }

    #[tokio::test]
    async fn a_pause_gives_out_no_serial_and_ends_with_the_last_one() {
        let serials = Arc::<Serials>::default();
        let serial = serials.register().expect("it is not paused");
        serials.pause();
        assert!(serials.register().is_none());
        let (released, ()) = tokio::join!(
            async {
                serials.wait_until_released().await;
                serials.count()
            },
            async { drop(serial) }
        );
        assert_eq!(released, 0);
        serials.resume();
        assert_eq!(serials.register().map(|serial| serial.number), Some(2));
    }
}
