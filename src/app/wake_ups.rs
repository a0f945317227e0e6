//! Replicas tell each other which of their workers have work, since one may do it while the first
//! one is busy, and what has changed, for those who watch.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::select_all;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::changes::{Change, Changes};
use crate::storage::Store;
use crate::worker::Notifiers;

/// The shortest time between two messages of one replica: with many replicas, most of what they
/// could be told of is done before they look.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(50);
/// Of the words of one message, which has to be shorter than 8,000 bytes. What is left is in the
/// next one.
const BYTES_MAX: usize = 7_000;
/// The word for changes that the others are not told of.
const MISSED: &str = "missed";

/// Tells the other replicas which of their workers to wake, and what has changed here.
pub(super) async fn announce(store: Arc<dyn Store>, notifiers: Notifiers, changes: Changes) {
    let mut here = changes.of_this_process();
    let mut missed = false;
    loop {
        let mut words = next_words(&notifiers, &mut here).await;
        if missed {
            words.insert(MISSED.to_owned());
        }
        let message = words.into_iter().collect::<Vec<_>>().join(" ");
        missed = match store.send(&message).await {
            Ok(()) => false,
            Err(error) => {
                tracing::debug!("other replicas are not told of work and changes: {error}");
                true
            }
        };
        tokio::time::sleep(ANNOUNCE_EVERY).await;
    }
}

/// The first word that there is, and those that came meanwhile.
async fn next_words(notifiers: &Notifiers, here: &mut Receiver<Change>) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    tokio::select! {
        stages = stages(notifiers) => words.extend(stages),
        first = here.recv() => words.extend(match first {
            Ok(change) => Some(change.to_string()),
            Err(RecvError::Lagged(_)) => Some(MISSED.to_owned()),
            Err(RecvError::Closed) => None,
        }),
    }
    words.extend(stages(notifiers).now_or_never().into_iter().flatten());
    let mut bytes: usize = words.iter().map(|word| word.len() + 1).sum();
    while bytes < BYTES_MAX {
        let word = match here.try_recv() {
            Ok(change) => change.to_string(),
            Err(TryRecvError::Lagged(_)) => MISSED.to_owned(),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        };
        bytes += word.len() + 1;
        words.insert(word);
    }
    words
}

/// Waits until there is work elsewhere: the names of the stages that have it.
async fn stages(notifiers: &Notifiers) -> Vec<String> {
    let named = notifiers.named();
    let waiting = named.map(|(_, notifier)| Box::pin(notifier.to_announce()));
    let ((), first, _) = select_all(waiting).await;
    let mut names = Vec::with_capacity(named.len());
    for (at, (name, notifier)) in named.into_iter().enumerate() {
        if at == first || notifier.to_announce().now_or_never().is_some() {
            names.push(name.to_owned());
        }
    }
    names
}

/// Wakes the workers that other replicas name, and passes on what has changed there.
pub(super) async fn listen(store: Arc<dyn Store>, notifiers: Notifiers, changes: Changes) {
    loop {
        let message = store.received().await;
        let Some(message) = message else {
            changes.from_others(None);
            continue;
        };
        for word in message.split(' ') {
            if let Some((_, notifier)) = notifiers.named().iter().find(|(name, _)| *name == word) {
                notifier.notify_here();
            } else if word == MISSED {
                changes.from_others(None);
            } else if let Ok(change) = word.parse() {
                changes.from_others(Some(change));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{DeliveryId, StatusId};

    async fn message(notifiers: &Notifiers, here: &mut Receiver<Change>) -> String {
        next_words(notifiers, here).await.into_iter().collect::<Vec<_>>().join(" ")
    }

    #[tokio::test]
    async fn one_message_names_the_work_and_the_changes_that_there_are() {
        let (notifiers, changes) = (Notifiers::default(), Changes::default());
        let mut here = changes.of_this_process();
        notifiers.publish.notify();
        notifiers.decide.notify();
        notifiers.decide.notify();
        notifiers.follow.notify_here();
        changes.delivery(DeliveryId(3), vec![10]);
        changes.delivery(DeliveryId(3), vec![10]);
        changes.from_others("run:1".parse().ok());
        assert_eq!(message(&notifiers, &mut here).await, "decide delivery:3/a,3 publish");
        let next = message(&notifiers, &mut here).now_or_never();
        assert_eq!(
            next, None,
            "each change is sent once, and changes of other replicas are not sent again"
        );
    }

    #[tokio::test]
    async fn a_message_is_short_and_what_cannot_be_told_is_said_to_be_missed() {
        let (notifiers, changes) = (Notifiers::default(), Changes::default());
        let mut here = changes.of_this_process();
        let longest = |id| changes.delivery(DeliveryId(i64::MAX - id), vec![-1; 4]);
        (0..100).for_each(longest);
        let mut told = 0;
        while told < 100 {
            let words = next_words(&notifiers, &mut here).await;
            told += words.len();
            let bytes = words.into_iter().collect::<Vec<_>>().join(" ").len();
            assert!((1..7_500).contains(&bytes), "{bytes}");
        }
        (0..2_000).for_each(|id| changes.status(StatusId(id), None));
        assert!(next_words(&notifiers, &mut here).await.contains(MISSED));
    }
}
