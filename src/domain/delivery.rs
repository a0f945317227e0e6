//! What becomes of a delivery when it is stored, before it is decided.

use super::decision::Outcome;
use super::id::DeliveryId;

/// The reason that is shown for a delivery without a decision.
pub const PENDING_REASON: &str = "waits for a decision";

/// The key under which a delivery is stored once: Azure DevOps repeats a notification with the same
/// numbers. A delivery without a key is stored every time.
pub fn key(subscription: Option<&str>, notification: Option<i64>) -> Option<(&str, i64)> {
    subscription.zip(notification)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_needs_subscription_and_notification() {
        assert_eq!(key(Some("a"), Some(7)), Some(("a", 7)));
        assert_eq!(key(Some("a"), None), None);
        assert_eq!(key(None, Some(7)), None);
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
