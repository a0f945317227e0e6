//! `GET /ui/live`: tells open pages what has changed, as server-sent events. A page reads again
//! what it shows of that; nothing of the content is sent.
//!
//! The changes are gathered once for all pages, a few times a second, so that many open pages cost
//! hardly more than one; each page is told of those that are about it. Replicas tell each other of
//! their changes, so each page learns of all.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName};
use actix_web::web::{Bytes, Data};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::{Instant, sleep, sleep_until};

use super::about::About;
use super::visit::Visit;
use crate::changes::{Change, Changes, Kind, Missed, Watch};
use crate::server::draining::Draining;
use crate::server::problem::Problem;

/// Streams at the same time; each is a connection that stays open.
const STREAMS_MAX: usize = 200;
/// A page that hears nothing for 40 seconds says that it is not live.
const BEAT_EVERY: Duration = Duration::from_secs(15);
/// Changes within this time are sent together.
const GATHERED_FOR: Duration = Duration::from_millis(250);
/// Where more things of a kind have changed, it is only said that many have.
const NAMED_MAX: usize = 40;
/// Messages that a stream may be behind by. Beyond them it ends, and the page reads all again.
const BEHIND_MAX: usize = 64;

/// Gathers changes while somebody looks, and passes them on to all streams.
#[derive(Debug)]
pub(super) struct Live {
    messages: broadcast::Sender<Arc<Gathered>>,
    /// Notified when a stream has begun.
    looks: Arc<Notify>,
    streams: Arc<Semaphore>,
    draining: Draining,
}

impl Live {
    /// Starts to gather, in a task that ends when the gateway stops.
    pub(super) fn start(changes: &Changes, draining: &Draining) -> Self {
        let messages = broadcast::Sender::new(BEHIND_MAX);
        let looks = Arc::new(Notify::new());
        let gathering = gather(changes.watch(), messages.clone(), Arc::clone(&looks));
        let stopping = draining.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stopping.begun() => {}
                () = gathering => {}
            }
        });
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        Self { messages, looks, streams, draining: draining.clone() }
    }
}

async fn gather(mut watch: Watch, messages: broadcast::Sender<Arc<Gathered>>, looks: Arc<Notify>) {
    loop {
        if messages.receiver_count() == 0 {
            looks.notified().await;
        }
        let mut gathered = Gathered::default();
        gathered.add(watch.next().await);
        while let Some(next) = watch.next_now() {
            gathered.add(next);
        }
        // Nobody may look any more.
        drop(messages.send(Arc::new(gathered)));
        sleep(GATHERED_FOR).await;
    }
}

/// What has changed within a short time: at most as much as a watcher may be behind by.
#[derive(Debug, Default)]
struct Gathered {
    /// Each thing once, by kind and id.
    changes: BTreeMap<(Kind, String), Change>,
    /// Anything else may have changed as well.
    has_missed: bool,
}

impl Gathered {
    fn add(&mut self, change: Result<Change, Missed>) {
        match change {
            Ok(change) => {
                self.changes.insert((change.kind, change.id.clone()), change);
            }
            Err(Missed) => self.has_missed = true,
        }
    }

    /// An event for each change that a page is about; one without an id where there are many of a
    /// kind, or one that may not be named.
    fn events(&self, about: &mut About, sequence: &mut u64) -> Bytes {
        let mut named: BTreeMap<Kind, Vec<&str>> = BTreeMap::new();
        let mut many: BTreeSet<Kind> = BTreeSet::new();
        if self.has_missed {
            many.extend(Kind::ALL.into_iter().filter(|kind| about.has_kind(*kind)));
        }
        for change in self.changes.values() {
            if !about.concerns(change) {
                continue;
            }
            if about.may_name(change) {
                about.remember(change);
                named.entry(change.kind).or_default().push(&change.id);
            } else {
                many.insert(change.kind);
            }
        }
        let mut events = String::new();
        let mut event = |data: serde_json::Value| {
            *sequence += 1;
            events.push_str(&format!("id: {sequence}\nevent: changed\ndata: {data}\n\n"));
        };
        for kind in Kind::ALL {
            let ids = named.remove(&kind).unwrap_or_default();
            if many.contains(&kind) || ids.len() > NAMED_MAX {
                event(json!({ "kind": kind, "id": null }));
                continue;
            }
            ids.iter().for_each(|id| event(json!({ "kind": kind, "id": id })));
        }
        events.into()
    }
}

/// `GET /ui/live`.
pub(super) async fn stream(visit: Visit, live: Data<Live>) -> Result<HttpResponse, Problem> {
    let permit = Arc::clone(&live.streams).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::busy("too many pages are live already"))?;
    let watching = Watching {
        // Before its runs are looked up: none is planned unseen in between.
        messages: live.messages.subscribe(),
        about: About::asked(&visit).await?,
        sequence: 0,
        next_beat: Instant::now(),
        visit,
        draining: live.draining.clone(),
        _permit: permit,
    };
    live.looks.notify_one();
    let events = stream::unfold(watching, |mut watching| async {
        let event = watching.next().await?;
        Some((event, watching))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Proxies such as nginx would hold events back.
        .insert_header((HeaderName::from_static("x-accel-buffering"), "no"))
        .streaming(events.map(Ok::<_, Infallible>)))
}

/// One stream.
struct Watching {
    messages: Receiver<Arc<Gathered>>,
    about: About,
    /// The number of the last event.
    sequence: u64,
    next_beat: Instant,
    visit: Visit,
    draining: Draining,
    _permit: OwnedSemaphorePermit,
}

impl Watching {
    /// What is sent next; none where the stream ends. The first is a beat: a page that has received
    /// it gets every later event.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let event = tokio::select! {
                biased;
                () = self.draining.begun() => return None,
                () = sleep_until(self.next_beat) => {
                    self.next_beat = Instant::now() + BEAT_EVERY;
                    let at = self.visit.state.deps.clock.now();
                    Bytes::from(format!("event: beat\ndata: {}\n\n", json!({ "at": at })))
                }
                message = self.messages.recv() => {
                    let gathered = message.ok()?;
                    self.events(&gathered).await?
                }
            };
            if !self.visit.goes_on() {
                return None;
            }
            if !event.is_empty() {
                return Some(event);
            }
        }
    }

    /// What the page is told of this. Where that cannot be known the stream ends, and the page
    /// reads all again.
    async fn events(&mut self, gathered: &Gathered) -> Option<Bytes> {
        let has_new_runs = gathered.changes.values().any(|one| self.about.has_new_runs(one));
        if gathered.has_missed || has_new_runs {
            self.about.look_up(&self.visit).await.ok()?;
        }
        Some(gathered.events(&mut self.about, &mut self.sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{DeliveryId, StatusId};

    fn change(kind: Kind, id: i64) -> Change {
        Change { kind, id: id.to_string(), about: None }
    }

    fn events(gathered: &Gathered, about: &mut About, sequence: &mut u64) -> String {
        String::from_utf8(gathered.events(about, sequence).to_vec()).unwrap()
    }

    #[tokio::test]
    async fn changes_at_the_same_time_are_one_message_in_which_each_is_named_once() {
        let changes = Changes::default();
        let live = Live::start(&changes, &Draining::default());
        let mut watcher = live.messages.subscribe();
        changes.delivery(DeliveryId(7), vec![]);
        changes.delivery(DeliveryId(7), vec![]);
        changes.status(StatusId(8), None);
        live.looks.notify_one();
        let message = watcher.recv().await.unwrap();
        let mut sequence = 0;
        assert_eq!(
            events(&message, &mut About::Kinds(Kind::ALL.into()), &mut sequence),
            "id: 1\nevent: changed\ndata: {\"id\":\"7\",\"kind\":\"delivery\"}\n\n\
             id: 2\nevent: changed\ndata: {\"id\":\"8\",\"kind\":\"status\"}\n\n"
        );
        let of_statuses = events(&message, &mut About::Kinds(vec![Kind::Status]), &mut sequence);
        assert_eq!(
            of_statuses,
            "id: 3\nevent: changed\ndata: {\"id\":\"8\",\"kind\":\"status\"}\n\n"
        );
        assert_eq!(events(&message, &mut About::Kinds(vec![]), &mut sequence), "");
    }

    #[test]
    fn many_changes_and_missed_ones_are_said_without_their_ids() {
        let mut gathered = Gathered::default();
        (0..100).for_each(|id| gathered.add(Ok(change(Kind::Run, id))));
        gathered.add(Ok(change(Kind::Status, 1)));
        let (mut all, mut sequence) = (About::Kinds(Kind::ALL.into()), 5);
        assert_eq!(
            events(&gathered, &mut all, &mut sequence),
            "id: 6\nevent: changed\ndata: {\"id\":null,\"kind\":\"run\"}\n\n\
             id: 7\nevent: changed\ndata: {\"id\":\"1\",\"kind\":\"status\"}\n\n"
        );
        gathered.add(Err(Missed));
        assert_eq!(events(&gathered, &mut all, &mut sequence).matches("null").count(), 3);
        assert_eq!(sequence, 10);
        let of_runs = events(&gathered, &mut About::Kinds(vec![Kind::Run]), &mut sequence);
        assert_eq!(of_runs.matches("null").count(), 1);
        assert_eq!(events(&gathered, &mut About::Kinds(vec![]), &mut sequence), "");
    }
}
