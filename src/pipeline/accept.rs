//! Stage 1: an authenticated hook call is on disk before it is answered with a 2xx status.
//!
//! Only the envelope of a body is parsed, for the keys under which the delivery is stored. Every
//! body is stored, even one that is not JSON.

use std::panic::catch_unwind;
use std::sync::Arc;

use crate::ado::hooks::{self, envelope};
use crate::deps::Deps;
use crate::domain::time::Timestamp;
use crate::storage::{Deliveries, Envelope, Error};
use crate::worker::Notifier;

/// See the module.
#[derive(Clone, Debug)]
pub struct Accept {
    deliveries: Arc<dyn Deliveries>,
    decide: Notifier,
}

impl Accept {
    /// Stores deliveries and notifies the stage that decides them.
    pub fn new(deps: &Deps) -> Self {
        let deliveries = Arc::clone(&deps.store) as Arc<dyn Deliveries>;
        Self { deliveries, decide: deps.notifiers.decide.clone() }
    }

    /// Stores a delivery to `hook`; it is durable when this returns `Ok`.
    ///
    /// # Errors
    /// The store refuses it: Azure DevOps has to send it again.
    pub async fn accept(
        &self,
        organization: &str,
        hook: &str,
        body: &[u8],
        received_at: Timestamp,
    ) -> Result<(), Error> {
        self.deliveries.receive(organization, hook, received_at, body).await?;
        self.decide.notify();
        Ok(())
    }
}

/// Reads the keys under which a body is stored. The store is opened with this function.
pub fn read_envelope(body: &[u8]) -> Envelope {
    let quarantined = |reason| Envelope { quarantined: Some(reason), ..Envelope::default() };
    // A body that makes the reader panic must not keep later deliveries out of the inbox.
    match catch_unwind(|| envelope(body)) {
        Ok(Ok(envelope)) => {
            let hooks::Envelope {
                subscription_id,
                notification_id,
                event_id,
                event_type,
                created_at,
            } = envelope;
            Envelope {
                subscription: subscription_id.map(Into::into),
                notification: notification_id,
                event_id: event_id.map(Into::into),
                event_type: event_type.map(Into::into),
                created_at,
                quarantined: None,
            }
        }
        Ok(Err(not_understood)) => quarantined(not_understood.reason),
        Err(_) => quarantined("reading it failed: please report this delivery as a bug".into()),
    }
}
