//! What becomes of a delivery when it is stored, before it is decided.

use std::time::Duration;

use super::decision::{Outcome, Source};
use super::event::Event;
use super::id::DeliveryId;
use super::subscription::PasswordScope;
use super::time::Timestamp;

/// The reason that is shown for a delivery without a decision.
pub const PENDING_REASON: &str = "waits for a decision";

/// The subscription and the notification under which a delivery is stored once: Azure DevOps
/// repeats a notification with the same numbers. The scope of the hook's password is the third part
/// of the key: with the password of another hook nobody can use up the numbers of this one. A
/// delivery without a key is stored every time.
pub fn key<'a>(
    hook: &str,
    subscription: Option<&'a str>,
    notification: Option<i64>,
) -> Option<(String, &'a str, i64)> {
    let (subscription, notification) = subscription.zip(notification)?;
    Some((PasswordScope::of(hook).key(), subscription, notification))
}

/// Whether a delivery to the hook `earlier` may count for the same event as one to `hook`.
pub fn stands_for(earlier: &str, hook: &str) -> bool {
    PasswordScope::of(earlier).covers(&PasswordScope::of(hook))
}

/// The outcome and reason of a delivery that needs no decision; none for one that waits for a
/// decision. `earlier` is a delivery of the same event, which an event has for each subscription
/// that matches it.
pub fn on_arrival(
    quarantined: Option<&str>,
    subscription: Option<&str>,
    earlier: Option<DeliveryId>,
) -> Option<(Outcome, String)> {
    if let Some(reason) = quarantined {
        return Some((Outcome::Quarantined, reason.to_owned()));
    }
    // Test deliveries come without a subscription and repeat the id of their event.
    let earlier = earlier.filter(|_| subscription.is_some())?;
    let reason = format!("delivery {earlier} reported the same event through another subscription");
    Some((Outcome::Duplicate, reason))
}

/// How long after an event Azure DevOps delivered it, by its clock and ours. Not known of what
/// catch-up and people deliver, of test deliveries and what is not believed, nor while its clock is
/// ahead of ours.
pub fn delivered_after(
    (source, received_at): (Source, Timestamp),
    created_at: Option<Timestamp>,
    (outcome, event): (Outcome, Event),
) -> Option<Duration> {
    let is_known =
        source == Source::Hook && outcome != Outcome::Quarantined && event != Event::TestDelivery;
    let created_at = created_at.filter(|at| is_known && *at <= received_at)?;
    Some(received_at.since(created_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_from_an_event_to_its_delivery_is_not_made_up() {
        let at = |second: i64| Timestamp::from_ms(1_790_000_000_000 + second * 1_000);
        let after = |source, created, of| delivered_after((source, at(10)), Some(at(created)), of);
        let pushed = (Outcome::Ignored, Event::BranchPushed);
        assert_eq!(after(Source::Hook, 7, pushed), Some(Duration::from_secs(3)));
        assert_eq!(after(Source::Hook, 10, pushed), Some(Duration::ZERO));
        assert_eq!(after(Source::Hook, 11, pushed), None, "its clock is ahead");
        assert_eq!(delivered_after((Source::Hook, at(10)), None, pushed), None);
        for source in [Source::CatchUp, Source::Replay] {
            assert_eq!(after(source, 7, pushed), None);
        }
        assert_eq!(after(Source::Hook, 7, (Outcome::Ignored, Event::TestDelivery)), None);
        assert_eq!(after(Source::Hook, 7, (Outcome::Quarantined, Event::Unknown)), None);
    }

    #[test]
    fn a_key_needs_subscription_and_notification() {
        assert_eq!(key("by-hand", Some("a"), Some(7)), Some((String::new(), "a", 7)));
        assert_eq!(key("by-hand@web", Some("a"), Some(7)), Some(("web".into(), "a", 7)));
        assert_eq!(key("by-hand", Some("a"), None), None);
        assert_eq!(key("by-hand", None, Some(7)), None);
    }

    #[test]
    fn the_second_delivery_of_an_event_is_a_duplicate() {
        assert_eq!(on_arrival(None, Some("a"), None), None);
        let (outcome, reason) = on_arrival(None, Some("a"), Some(DeliveryId(3))).unwrap();
        assert_eq!(outcome, Outcome::Duplicate);
        assert!(reason.contains("delivery 3"), "{reason}");
    }

    #[test]
    fn a_test_delivery_is_no_duplicate() {
        assert_eq!(on_arrival(None, None, Some(DeliveryId(3))), None);
    }

    #[test]
    fn a_body_that_is_not_json_is_quarantined_even_as_a_duplicate() {
        let ended = on_arrival(Some("not JSON"), Some("a"), Some(DeliveryId(3)));
        assert_eq!(ended, Some((Outcome::Quarantined, "not JSON".into())));
    }
}
