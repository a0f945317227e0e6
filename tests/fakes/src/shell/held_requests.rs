//! Requests that are held until a test releases them.
//!
//! While a request is held, a test can kill the gateway at exactly that instant, so the gateway
//! needs no code for it.

use tokio::sync::watch;

#[derive(Debug, Default)]
struct State {
    held: Vec<String>,
    released: usize,
}

/// The requests held so far, and how many of them are released.
#[derive(Debug, Default)]
pub(super) struct HeldRequests(watch::Sender<State>);

impl HeldRequests {
    /// Holds the calling request until it is released. Without a bound: the caller ends the wait
    /// when the shell stops.
    pub(super) async fn hold(&self, description: String) {
        let mut changes = self.0.subscribe();
        let mut number = 0;
        self.0.send_modify(|state| {
            state.held.push(description);
            number = state.held.len();
        });
        // The sender lives as long as `self`, so the wait cannot fail.
        drop(changes.wait_for(|state| state.released >= number).await);
    }

    /// Waits until so many requests have been held in all, without a bound: the caller sets one.
    pub(super) async fn until_held(&self, count: usize) -> Vec<String> {
        let mut changes = self.0.subscribe();
        let state = changes.wait_for(|state| state.held.len() >= count).await;
        state.map(|state| state.held.clone()).unwrap_or_default()
    }

    /// Releases every request that is held now.
    pub(super) fn release(&self) {
        self.0.send_modify(|state| state.released = state.held.len());
    }
}
