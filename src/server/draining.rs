//! Whether the gateway is stopping: it is no longer ready, but still answers.

use actix_web::HttpResponse;
use actix_web::http::ConnectionType;
use tokio_util::sync::CancellationToken;

/// See the module. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Draining {
    /// Load balancers are told.
    stopping: CancellationToken,
    /// Connections are closed, and waiting requests are answered.
    closing: CancellationToken,
}

impl Draining {
    /// The gateway stops from now on.
    pub fn begin(&self) {
        self.stopping.cancel();
        self.closing.cancel();
    }

    /// Another server of this process takes over from now on: this one closes its connections, and
    /// the gateway stays ready.
    pub fn hand_over(&self) {
        self.closing.cancel();
    }

    pub(super) fn is_unready(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Waits until connections are to be closed.
    pub(super) async fn begun(&self) {
        self.closing.cancelled().await;
    }

    /// While draining, lets the answer close its connection. Otherwise the client would send its
    /// next request into a connection that is about to be closed.
    pub(super) fn close_connection(&self, mut answer: HttpResponse) -> HttpResponse {
        if self.closing.is_cancelled() {
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        answer
    }
}
