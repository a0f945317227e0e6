//! Whether the gateway is stopping: it is no longer ready, but still answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpResponse;
use actix_web::http::ConnectionType;

/// See the module. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// The gateway stops from now on.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// While draining, lets the answer close its connection. Otherwise the client would send its
    /// next request into a connection that is about to be closed.
    pub(super) fn close_connection(&self, mut answer: HttpResponse) -> HttpResponse {
        if self.has_begun() {
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        answer
    }
}
