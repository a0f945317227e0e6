//! Deliveries as Azure DevOps sends them: in their own time or as fast as they are taken, and each
//! again until it is acknowledged, whatever becomes of the receiver meanwhile.
//!
//! So everything that was ever sent is acknowledged in the end, and its number is known exactly. It
//! must never know whether the receiver lives.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::{JoinHandle, spawn_local};

use crate::connections::{Connection, Target, answer};
use crate::latencies::Latencies;

const ACCEPTED: u16 = 202;
/// Between two attempts at a receiver that is gone or refuses.
const PAUSE: Duration = Duration::from_millis(5);
/// Timers fire with the precision of a millisecond; a request is due when its timer fires, unless
/// that is later than this.
const TIMER: Duration = Duration::from_millis(2);
/// So many of the last acknowledged deliveries are remembered.
const RECENT_MAX: usize = 512;

/// What came back since it was last asked for.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) accepted: u64,
    /// Answers other than 202, and broken connections.
    pub(crate) others: BTreeMap<String, u64>,
    /// From when a delivery was due until it was acknowledged, repetitions included.
    pub(crate) latencies: Latencies,
}

#[derive(Debug)]
struct State {
    next: u64,
    sent: u64,
    is_ending: bool,
    again: VecDeque<Due>,
    seen: Seen,
    recent: VecDeque<u64>,
    awaited_since: Instant,
    first: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    number: u64,
    at: Instant,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Stream {
    target: Rc<Target>,
    /// Per second; as fast as they are taken where there is none.
    rate: Option<f64>,
    begun: Instant,
    state: RefCell<State>,
}

impl Seen {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { accepted: 0, others: BTreeMap::new(), latencies: Latencies::new()? })
    }
}

/// A stream that runs until it is told to end.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) stream: Rc<Stream>,
    connections: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Running {
    /// Must be called within a `LocalSet`.
    pub(crate) fn start(
        target: &Rc<Target>,
        connections: usize,
        rate: Option<f64>,
    ) -> anyhow::Result<Self> {
        let state = State {
            next: 0,
            sent: 0,
            is_ending: false,
            again: VecDeque::new(),
            seen: Seen::new()?,
            recent: VecDeque::new(),
            awaited_since: Instant::now(),
            first: None,
        };
        let (target, state) = (Rc::clone(target), RefCell::new(state));
        let stream = Rc::new(Stream { target, rate, begun: Instant::now(), state });
        let connection = |_| spawn_local(Rc::clone(&stream).keep_sending());
        let connections = (0..connections).map(connection).collect();
        Ok(Self { stream, connections })
    }

    /// Sends nothing new, and waits until everything is acknowledged; how much was sent.
    pub(crate) async fn end(self) -> anyhow::Result<u64> {
        self.stream.state.borrow_mut().is_ending = true;
        for connection in self.connections {
            connection.await.context("a connection panicked")??;
        }
        Ok(self.stream.state.borrow().sent)
    }
}

impl Stream {
    /// What came back since the last call.
    pub(crate) fn take_seen(&self) -> anyhow::Result<Seen> {
        Ok(std::mem::replace(&mut self.state.borrow_mut().seen, Seen::new()?))
    }

    /// The last deliveries that were acknowledged, oldest first.
    pub(crate) fn recent(&self) -> Vec<u64> {
        self.state.borrow().recent.iter().copied().collect()
    }

    /// Awaits the first acknowledgement of something that is sent from now on.
    pub(crate) fn await_first(&self) {
        let mut state = self.state.borrow_mut();
        (state.awaited_since, state.first) = (Instant::now(), None);
    }

    /// When that came.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.state.borrow().first
    }

    async fn keep_sending(self: Rc<Self>) -> anyhow::Result<()> {
        let mut connection: Option<Connection> = None;
        let mut request = Vec::new();
        while let Some(mut due) = self.take() {
            if due.at > Instant::now() {
                tokio::time::sleep_until(due.at.into()).await;
                due.at = Instant::now().min(due.at + TIMER);
            }
            self.target.render(due.number, &mut request)?;
            let sent = Instant::now();
            match answer(&mut connection, &self.target, &request).await {
                Ok(ACCEPTED) => self.acknowledged(due, sent),
                Ok(status) => self.refused(due, status.to_string()).await,
                Err(error) => {
                    connection = None;
                    self.refused(due, format!("broken: {}", error.kind())).await;
                }
            }
        }
        Ok(())
    }

    fn take(&self) -> Option<Due> {
        let mut state = self.state.borrow_mut();
        if let Some(due) = state.again.pop_front() {
            return Some(due);
        }
        if state.is_ending {
            return None;
        }
        // What comes again without keys is new to the receiver, as it should be.
        while !self.target.has_keys(state.next) {
            state.next += 1;
        }
        let number = state.next;
        state.next += 1;
        let at = self.rate.map(|rate| {
            self.begun + Duration::from_secs_f64(crate::tally::as_float(state.sent) / rate)
        });
        state.sent += 1;
        Some(Due { number, at: at.unwrap_or_else(Instant::now) })
    }

    fn acknowledged(&self, due: Due, sent: Instant) {
        let now = Instant::now();
        let mut state = self.state.borrow_mut();
        if sent >= state.awaited_since {
            state.first.get_or_insert(now);
        }
        state.seen.accepted += 1;
        state.seen.latencies.record(now.saturating_duration_since(due.at));
        if state.recent.len() == RECENT_MAX {
            state.recent.pop_front();
        }
        state.recent.push_back(due.number);
    }

    /// It keeps the moment at which it was due.
    async fn refused(&self, due: Due, why: String) {
        {
            let mut state = self.state.borrow_mut();
            *state.seen.others.entry(why).or_default() += 1;
            state.again.push_back(due);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
