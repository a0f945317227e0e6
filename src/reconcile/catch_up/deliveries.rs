//! What was found, as deliveries: in the envelope of a hook, oldest first. It must never decide
//! what was missed.

use crate::ado::hooks::catch_up_payload;
use crate::domain::decision::Source;
use crate::domain::event::Repository;
use crate::domain::fact::{CatchUpMeta, RefUpdate};
use crate::domain::time::Timestamp;
use crate::storage::NewDelivery;

/// Refs that were there before anybody watched go together, so many in a delivery.
const REFS_PER_DELIVERY: usize = 500;
/// What stands where a hook has its name.
const HOOK: &str = "catch-up";

/// Makes deliveries of one organization.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) organization: &'a str,
    pub(super) received_at: Timestamp,
}

impl Found<'_> {
    /// A pull request as it is listed.
    pub(super) fn pull_request(
        &self,
        resource: &serde_json::Value,
        at: Timestamp,
        catch_up_meta: &CatchUpMeta,
    ) -> NewDelivery {
        let body = catch_up_payload::body(
            catch_up_payload::PULL_REQUEST,
            resource,
            Some(at),
            catch_up_meta,
        );
        self.delivery(catch_up_payload::PULL_REQUEST, at, &body)
    }

    /// A push as it is listed.
    pub(super) fn push(
        &self,
        resource: &serde_json::Value,
        at: Timestamp,
        passed_over: Vec<String>,
    ) -> NewDelivery {
        let catch_up_meta = CatchUpMeta { passed_over, ..CatchUpMeta::default() };
        self.delivery(
            catch_up_payload::PUSH,
            at,
            &catch_up_payload::body(catch_up_payload::PUSH, resource, Some(at), &catch_up_meta),
        )
    }

    /// A head that differs, and nobody says by which push.
    pub(super) fn head(&self, of: &Repository, update: RefUpdate, at: Timestamp) -> NewDelivery {
        self.delivery(catch_up_payload::PUSH, at, &catch_up_payload::heads(of, &[update], at))
    }

    /// Heads that were there before `since`.
    pub(super) fn past(
        &self,
        of: &Repository,
        updates: &[RefUpdate],
        since: Timestamp,
    ) -> Vec<NewDelivery> {
        let before = Timestamp::from_micros(since.micros().saturating_sub(1));
        let some = |updates| {
            self.delivery(
                catch_up_payload::PUSH,
                before,
                &catch_up_payload::heads(of, updates, before),
            )
        };
        updates.chunks(REFS_PER_DELIVERY).map(some).collect()
    }

    fn delivery(&self, event_type: &str, at: Timestamp, body: &[u8]) -> NewDelivery {
        NewDelivery {
            organization: self.organization.to_owned(),
            hook: HOOK.to_owned(),
            source: Source::CatchUp,
            received_at: self.received_at,
            subscription: None,
            notification: None,
            event_id: None,
            event_type: Some(event_type.to_owned()),
            created_at: Some(at),
            body: lz4_flex::compress_prepend_size(body),
            body_bytes: body.len(),
            quarantined: None,
        }
    }
}
