//! Stage 1: authenticated bytes become a delivery on disk, before anybody answers 2xx.
//!
//! Only the envelope is parsed, for the keys; what the body means is for later. Whatever proved a
//! live secret is stored, even what is no JSON. It must never look into the resource.

use std::sync::Arc;

use crate::ado::hooks::{Envelope, envelope};
use crate::domain::decision::Source;
use crate::domain::time::Timestamp;
use crate::storage::{Accepted, Error, NewDelivery, Store};
use crate::worker::Wake;

/// See the module.
#[derive(Clone, Debug)]
pub struct Accept {
    pub store: Arc<dyn Store>,
    pub decide: Wake,
}

impl Accept {
    /// Stores a delivery of `hook`; on `Ok` it is on disk, now or since earlier.
    ///
    /// # Errors
    /// The store cannot take it: Azure DevOps has to send it again.
    pub async fn accept(
        &self,
        organization: &str,
        hook: &str,
        body: &[u8],
        received_at: Timestamp,
    ) -> Result<Accepted, Error> {
        let (envelope, quarantined) = match envelope(body) {
            Ok(envelope) => (envelope, None),
            Err(not_understood) => (Envelope::default(), Some(not_understood.reason)),
        };
        let delivery = NewDelivery {
            organization: organization.to_owned(),
            hook: hook.to_owned(),
            source: Source::Hook,
            received_at,
            subscription: envelope.subscription_id.map(Into::into),
            notification: envelope.notification_id,
            event_id: envelope.event_id.map(Into::into),
            event_type: envelope.event_type.map(Into::into),
            created_at: envelope.created_at,
            body: lz4_flex::compress_prepend_size(body),
            body_bytes: body.len(),
            quarantined,
        };
        let accepted = self.store.accept(delivery).await?;
        let result = match accepted {
            Accepted::Stored(_) => {
                self.decide.wake();
                "stored"
            }
            Accepted::AlreadyThere => "already_there",
        };
        metrics::counter!("azdo_gateway_deliveries_total", "result" => result).increment(1);
        Ok(accepted)
    }
}
