//! Requests that are held until a test lets them go on.
//!
//! A held request is an instant at which a test can kill the gateway, without any code for that in
//! the gateway. Nothing here knows what is held.

use tokio::sync::watch;

#[derive(Debug, Default)]
struct State {
    held: Vec<String>,
    released: usize,
}

/// The requests held so far, and how many of them may go on.
#[derive(Debug, Default)]
pub(super) struct Holds(watch::Sender<State>);

impl Holds {
    /// Holds the calling request until it is released.
    pub(super) async fn hold(&self, what: String) {
        let mut changes = self.0.subscribe();
        let mut place = 0;
        self.0.send_modify(|state| {
            state.held.push(what);
            place = state.held.len();
        });
        // The sender lives as long as `self`, so this ends only by a release.
        drop(changes.wait_for(|state| state.released >= place).await);
    }

    /// Waits until so many requests have been held in all.
    pub(super) async fn until_held(&self, count: usize) -> Vec<String> {
        let mut changes = self.0.subscribe();
        let state = changes.wait_for(|state| state.held.len() >= count).await;
        state.map(|state| state.held.clone()).unwrap_or_default()
    }

    /// Lets everything go on that is held now.
    pub(super) fn release(&self) {
        self.0.send_modify(|state| state.released = state.held.len());
    }
}
