//! Replicas wake each other: what one has stored, another may do while the first one is busy.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::select_all;

use crate::storage::Store;
use crate::worker::Notifiers;

/// The shortest time between two messages of one replica: with many replicas, most of what they
/// could be told of is done before they look.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(50);

/// Tells the other replicas which of their workers to wake.
pub(super) async fn announce(store: Arc<dyn Store>, notifiers: Notifiers) {
    loop {
        let message = next_message(&notifiers).await;
        if let Err(error) = store.send(&message).await {
            tracing::debug!("other replicas are not woken: {error}");
        }
        tokio::time::sleep(ANNOUNCE_EVERY).await;
    }
}

/// The names of those to be woken: the first one, and those that came meanwhile.
async fn next_message(notifiers: &Notifiers) -> String {
    let named = notifiers.named();
    let waiting = named.map(|(_, notifier)| Box::pin(notifier.to_announce()));
    let ((), first, _) = select_all(waiting).await;
    let mut names = Vec::with_capacity(named.len());
    for (at, (name, notifier)) in named.into_iter().enumerate() {
        if at == first || notifier.to_announce().now_or_never().is_some() {
            names.push(name);
        }
    }
    names.join(" ")
}

/// Wakes the workers that other replicas name.
pub(super) async fn listen(store: Arc<dyn Store>, notifiers: Notifiers) {
    loop {
        let message = store.received().await;
        for (name, notifier) in notifiers.named() {
            if message.split(' ').any(|wanted| wanted == name) {
                notifier.notify_here();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_message_names_all_that_are_to_be_woken() {
        let notifiers = Notifiers::default();
        notifiers.publish.notify();
        notifiers.decide.notify();
        notifiers.decide.notify();
        notifiers.follow.notify_here();
        assert_eq!(next_message(&notifiers).await, "decide publish");
        assert_eq!(next_message(&notifiers).now_or_never(), None, "each is named once");
    }
}
