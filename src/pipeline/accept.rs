//! Stage 1: authenticated bytes are on disk before anybody answers 2xx, and become a delivery right
//! after.
//!
//! Only the envelope is parsed, for the keys; what the body means is for later. Whatever proved a
//! live secret is stored, even what is no JSON. It must never look into the resource.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::future::join;

use crate::ado::hooks::{Envelope, envelope};
use crate::domain::decision::Source;
use crate::domain::time::Timestamp;
use crate::storage::{
    Accepted, Arrived, Claim, Error, LeasedDelivery, NewDelivery, Received, Store, TakeIn,
};
use crate::worker::Notifier;

/// Deliveries taken in with one transaction.
const BATCH_MAX: usize = 256;

/// See the module.
#[derive(Clone, Debug)]
pub struct Accept {
    pub store: Arc<dyn Store>,
    pub decide: Notifier,
}

impl Accept {
    /// Keeps a delivery of `hook`; on `Ok` it is on disk.
    ///
    /// # Errors
    /// The store cannot take it: Azure DevOps has to send it again.
    pub async fn accept(
        &self,
        organization: &str,
        hook: &str,
        body: &[u8],
        received_at: Timestamp,
    ) -> Result<(), Error> {
        self.store.receive(organization, hook, received_at, body).await?;
        self.decide.notify();
        Ok(())
    }
}

/// Takes in what arrived and leases what is due, with one transaction where both are to be done.
/// Says how many were taken in, too.
///
/// # Errors
/// The store does not take it now: it lies where it was.
pub(super) async fn take_in_and_claim(
    store: &dyn Store,
    claim: Claim,
) -> Result<(usize, Vec<LeasedDelivery>), Error> {
    let arrived = store.arrived(BATCH_MAX).await?;
    if arrived.deliveries.is_empty() {
        return Ok((0, store.claim_deliveries(claim).await?));
    }
    // The first is admitted first, so that the second finds what it brought.
    let (taken, claimed) = join(take(store, arrived), store.claim_deliveries(claim)).await;
    match (taken, claimed?) {
        // What is leased is decided now: it would wait until its lease ends, and again after that.
        (Err(error), claimed) if !claimed.is_empty() => {
            tracing::warn!("what arrived is not taken in for now: {error}");
            Ok((0, claimed))
        }
        (taken, claimed) => Ok((taken?, claimed)),
    }
}

/// Takes in everything that arrived, without deciding it.
///
/// # Errors
/// The store does not take it now: the rest lies where it was.
pub async fn take_in_all(store: &dyn Store) -> Result<(), Error> {
    loop {
        let arrived = store.arrived(BATCH_MAX).await?;
        if arrived.deliveries.is_empty() {
            return Ok(());
        }
        take(store, arrived).await?;
    }
}

async fn take(store: &dyn Store, arrived: Arrived) -> Result<usize, Error> {
    let Arrived { deliveries, from, upto } = arrived;
    let deliveries: Vec<NewDelivery> = deliveries.into_iter().map(look_at).collect();
    let accepted = store.take_in(TakeIn { deliveries, from, upto }).await?.unwrap_or_default();
    for one in &accepted {
        let result = match one {
            Accepted::Stored(_) => "stored",
            Accepted::AlreadyThere => "already_there",
        };
        metrics::counter!("azdo_gateway_deliveries_total", "result" => result).increment(1);
    }
    Ok(accepted.len())
}

/// What its envelope says of a delivery.
fn look_at(received: Received) -> NewDelivery {
    let Received { organization, hook, received_at, body } = received;
    // It was answered: a body that makes the reader panic must not hold up all that came after it.
    let (envelope, quarantined) = match catch_unwind(AssertUnwindSafe(|| envelope(&body))) {
        Ok(Ok(envelope)) => (envelope, None),
        Ok(Err(not_understood)) => (Envelope::default(), Some(not_understood.reason)),
        Err(_) => {
            let why = "reading it failed: please report this delivery as a bug";
            (Envelope::default(), Some(why.into()))
        }
    };
    NewDelivery {
        organization,
        hook,
        source: Source::Hook,
        received_at,
        subscription: envelope.subscription_id.map(Into::into),
        notification: envelope.notification_id,
        event_id: envelope.event_id.map(Into::into),
        event_type: envelope.event_type.map(Into::into),
        created_at: envelope.created_at,
        body: lz4_flex::compress_prepend_size(&body),
        body_bytes: body.len(),
        quarantined,
    }
}
