//! Builds the deliveries that catch-up stores: bodies in the shape of hook calls, and what catch-up
//! found out beside them.

use serde_json::json;

use crate::ado::hooks::catch_up_payload;
use crate::domain::event::Repository;
use crate::domain::fact::{CatchUpMeta, RefUpdate};
use crate::domain::time::Timestamp;
use crate::storage::CatchUpDelivery;

/// Refs in one delivery, of those that existed before the repository was watched.
const REFS_PER_DELIVERY: usize = 500;

/// Builds deliveries of one organization.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) organization: &'a str,
    pub(super) received_at: Timestamp,
}

impl Found<'_> {
    /// A pull request as Azure DevOps lists it.
    pub(super) fn pull_request(
        &self,
        resource: &serde_json::Value,
        at: Timestamp,
        meta: CatchUpMeta,
    ) -> CatchUpDelivery {
        let event_type = catch_up_payload::PULL_REQUEST;
        let body = catch_up_payload::body(event_type, resource, Some(at));
        self.delivery(event_type, at, body, meta)
    }

    /// A comment and its pull request as Azure DevOps lists them.
    pub(super) fn comment(
        &self,
        comment: serde_json::Value,
        pull_request: &serde_json::Value,
        at: Timestamp,
    ) -> CatchUpDelivery {
        let resource = json!({ "comment": comment, "pullRequest": pull_request });
        let body = catch_up_payload::body(catch_up_payload::COMMENT, &resource, Some(at));
        self.delivery(catch_up_payload::COMMENT, at, body, CatchUpMeta::default())
    }

    /// A push as Azure DevOps lists it.
    pub(super) fn push(
        &self,
        resource: &serde_json::Value,
        at: Timestamp,
        passed_over: Vec<String>,
    ) -> CatchUpDelivery {
        let body = catch_up_payload::body(catch_up_payload::PUSH, resource, Some(at));
        let meta = CatchUpMeta { passed_over, ..CatchUpMeta::default() };
        self.delivery(catch_up_payload::PUSH, at, body, meta)
    }

    /// A branch whose head differs from the stored one, where no listed push explains it.
    pub(super) fn head(
        &self,
        of: &Repository,
        update: RefUpdate,
        at: Timestamp,
    ) -> CatchUpDelivery {
        self.heads(of, &[update], at)
    }

    /// The heads that existed before the repository was watched from `since` on.
    pub(super) fn past(
        &self,
        of: &Repository,
        updates: &[RefUpdate],
        since: Timestamp,
    ) -> Vec<CatchUpDelivery> {
        let before = Timestamp::from_micros(since.micros().saturating_sub(1));
        updates.chunks(REFS_PER_DELIVERY).map(|part| self.heads(of, part, before)).collect()
    }

    fn heads(&self, of: &Repository, updates: &[RefUpdate], at: Timestamp) -> CatchUpDelivery {
        let body = catch_up_payload::heads(of, updates, at);
        self.delivery(catch_up_payload::PUSH, at, body, CatchUpMeta::default())
    }

    fn delivery(
        &self,
        event_type: &str,
        at: Timestamp,
        body: Vec<u8>,
        meta: CatchUpMeta,
    ) -> CatchUpDelivery {
        CatchUpDelivery {
            organization: self.organization.to_owned(),
            received_at: self.received_at,
            event_type: event_type.to_owned(),
            created_at: at,
            body,
            meta,
        }
    }
}
