//! An organization that a service user can be linked to. While the link changes, its credentials
//! are paused: PATs of the user before must be revoked as that user.

use std::sync::Arc;
use std::time::Duration;

use super::session::Session;
use crate::credentials::source::Source;

/// How long a change of the link waits for revocations. What is not revoked by then expires.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::credentials) struct LinkableOrganization {
    pub(super) session: Arc<Session>,
    source: Arc<dyn Source>,
    /// Held during a change of the link: one at a time.
    pub(super) change: Arc<tokio::sync::Mutex<()>>,
}

/// Issuing credentials resumes when this is dropped.
pub(super) struct Paused(Arc<dyn Source>);

impl Paused {
    /// Whoever was linked before the pause is not linked any more.
    pub(super) fn user_has_changed(&self) {
        self.0.user_has_changed();
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        self.0.resume();
    }
}

impl LinkableOrganization {
    /// `source` issues the credentials of the service user of `session`.
    pub(in crate::credentials) fn new(session: Arc<Session>, source: Arc<dyn Source>) -> Self {
        Self { session, source, change: Arc::default() }
    }

    /// Stops issuing credentials, and revokes those that were issued if the link still works.
    pub(super) async fn pause(&self) -> Paused {
        let link_works = self.session.access_token().await.is_ok();
        let wait = if link_works { PAUSE_MAX } else { Duration::ZERO };
        let paused = Paused(Arc::clone(&self.source));
        drop(tokio::time::timeout(wait, self.source.pause()).await);
        paused
    }
}
