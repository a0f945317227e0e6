//! `GET /v1/changes`: what has changed, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>). Each event names a kind and
//! an id; the client asks the API for the rest. When an event may be lost the gateway ends the
//! stream; the client connects again and reads the lists.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use futures_util::{StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::auth::Viewer;
use super::problem::Problem;
use super::{Components, Draining};
use crate::changes::{Change, Changes, Missed, Watch};

/// Streams at the same time; each is a connection that stays open.
const STREAMS_MAX: usize = 128;
/// Proxies close connections on which nothing is sent for longer.
const SILENCE_MAX: Duration = Duration::from_secs(15);

#[derive(Debug)]
struct State {
    changes: Changes,
    draining: Draining,
    streams: Arc<Semaphore>,
}

pub(super) fn routes(components: &Components) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let state = Data::new(State {
        changes: components.deps.changes.clone(),
        draining: components.draining.clone(),
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
    });
    move |config| {
        config.app_data(state.clone()).route("/v1/changes", web::get().to(changes));
    }
}

async fn changes(_viewer: Viewer, state: Data<State>) -> Result<HttpResponse, Problem> {
    let permit = Arc::clone(&state.streams).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::busy("too many clients watch changes already"))?;
    let watching = Watching {
        watch: state.changes.watch(),
        draining: state.draining.clone(),
        _permit: permit,
    };
    // A client that has received this comment gets every later event.
    let begun = stream::once(async { Bytes::from_static(b": watching\n\n") });
    let events = stream::unfold(watching, |mut watching| async {
        let event = watching.next().await?;
        Some((event, watching))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(begun.chain(events).map(Ok::<_, Infallible>)))
}

/// One stream.
struct Watching {
    watch: Watch,
    draining: Draining,
    _permit: OwnedSemaphorePermit,
}

impl Watching {
    /// What is sent next; none where the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            () = self.draining.begun() => None,
            change = self.watch.next() => event(change),
            () = tokio::time::sleep(SILENCE_MAX) => Some(Bytes::from_static(b": nothing\n\n")),
        }
    }
}

fn event(change: Result<Change, Missed>) -> Option<Bytes> {
    let data = serde_json::to_string(&change.ok()?).ok()?;
    Some(format!("event: changed\ndata: {data}\n\n").into())
}
