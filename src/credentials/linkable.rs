//! An organization that a service user can be linked to, and how everything pauses while the user
//! changes. It must never know how anybody signs in.

use std::sync::Arc;
use std::time::Duration;

use super::Source;
use super::session::Session;

/// How long tokens of the user before may take to be revoked.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// An organization that a service user can be linked to.
#[derive(Clone, Debug)]
pub struct Linkable {
    pub session: Arc<Session>,
    pub source: Arc<dyn Source>,
    /// One change at a time.
    pub(super) changing: Arc<tokio::sync::Mutex<()>>,
}

/// While it lives, nothing is minted.
pub(super) struct Paused(Arc<dyn Source>);

impl Drop for Paused {
    fn drop(&mut self) {
        self.0.resume();
    }
}

impl Linkable {
    /// Of one organization.
    pub fn new(session: Arc<Session>, source: Arc<dyn Source>) -> Self {
        Self { session, source, changing: Arc::default() }
    }

    /// What was minted for one user is worth nothing to the next: it is revoked first, where that
    /// is still possible. What is not ends by itself.
    pub(super) async fn pause(&self) -> Paused {
        let works = self.session.access().await.is_ok();
        let wait = if works { PAUSE_MAX } else { Duration::ZERO };
        let paused = Paused(Arc::clone(&self.source));
        drop(tokio::time::timeout(wait, self.source.pause()).await);
        paused
    }
}
