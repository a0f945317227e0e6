//! Whether the gateway is stopping: it is no longer ready, but still answers.

use actix_web::HttpResponse;
use actix_web::http::ConnectionType;
use tokio_util::sync::CancellationToken;

/// See the module. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Draining(CancellationToken);

impl Draining {
    /// The gateway stops from now on.
    pub fn begin(&self) {
        self.0.cancel();
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the gateway stops.
    pub(super) async fn begun(&self) {
        self.0.cancelled().await;
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
