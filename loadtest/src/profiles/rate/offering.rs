//! Deliveries at a rate, over connections that are opened before. It must never judge what it saw.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::try_join_all;
use serde::Serialize;

use crate::arrivals::{Arrivals, Schedule};
use crate::connections::{Connection, Target};
use crate::latencies::Curve;
use crate::processor;
use crate::response::Response;
use crate::tally::{Latency, Tally, as_float};

const ACCEPTED: u16 = 202;
/// One in so many comes a second time, as after an answer that Azure DevOps missed.
const TWICE_EVERY: u64 = 50;
/// So many deliveries after the first time.
const TWICE_AFTER: u64 = 20;

/// What was seen at one rate.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Offered {
    pub(crate) rate: f64,
    pub(crate) accepts_per_second: f64,
    /// From the moment a delivery was due to its 202.
    pub(crate) latency: Latency,
    pub(crate) curve: Curve,
    /// Whatever was no 202, by kind.
    pub(crate) others: BTreeMap<String, u64>,
    /// Sent late, because every connection was busy.
    pub(crate) late: u64,
    /// Never sent, because every connection was busy until the end.
    pub(crate) dropped: u64,
    pub(crate) server_cores: f64,
    pub(crate) generator_cores: f64,
}

/// What must be stored, or may be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    pub(super) acknowledged: u64,
    pub(super) uncertain: u64,
    /// Sent once more.
    pub(super) again: u64,
}

/// What all connections share.
struct Book {
    tally: Tally,
    sent: HashSet<u64>,
    acknowledged: HashSet<u64>,
    again: u64,
}

impl Book {
    fn answered(&mut self, number: u64, response: std::io::Result<Response>, took: Duration) {
        match response {
            Ok(response) => {
                self.tally.answered(None, response.status, took);
                if response.status == ACCEPTED {
                    self.acknowledged.insert(number);
                }
            }
            Err(error) => self.tally.broken(&error),
        }
    }
}

/// Offers deliveries to `target`, whose process is `server`.
pub(super) async fn offer(
    target: &Target,
    server: u32,
    connections: usize,
    schedule: Schedule,
) -> anyhow::Result<(Offered, Known)> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(target.address()).await.context("cannot connect")?);
    }
    let (sent, acknowledged) = (HashSet::new(), HashSet::new());
    let book = Rc::new(RefCell::new(Book { tally: Tally::new()?, sent, acknowledged, again: 0 }));
    let first = target.take_number();
    let used = || {
        let (server, own) = (processor::time_of(server)?, processor::time_of(std::process::id())?);
        anyhow::Ok((Instant::now(), server, own))
    };
    let before = used()?;
    let arrivals = Arrivals::begin(schedule);
    let senders = open.into_iter().map(|mut connection| {
        let (arrivals, book) = (&arrivals, &book);
        async move {
            let mut request = Vec::new();
            while let Some(arrival) = arrivals.next().await {
                let number = take(target, first, &mut book.borrow_mut());
                target.render(number, &mut request)?;
                let response = connection.send(&request).await;
                let took = arrival.due.elapsed();
                let is_broken = response.is_err();
                book.borrow_mut().answered(number, response, took);
                if is_broken {
                    connection = Connection::open(target.address()).await?;
                }
            }
            anyhow::Ok(())
        }
    });
    try_join_all(senders).await?;
    let after = used()?;
    let seconds = (after.0 - before.0).as_secs_f64();
    let cores = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() / seconds;
    let book = book.borrow();
    let offered = Offered {
        rate: schedule.rate,
        accepts_per_second: as_float(book.tally.accepted) / schedule.time.as_secs_f64(),
        latency: book.tally.latency(),
        curve: book.tally.curve(),
        others: book.tally.others.clone(),
        late: arrivals.late(),
        dropped: arrivals.dropped(),
        server_cores: cores(before.1, after.1),
        generator_cores: cores(before.2, after.2),
    };
    let acknowledged = book.acknowledged.len() as u64;
    let uncertain = book.sent.len() as u64 - acknowledged;
    Ok((offered, Known { acknowledged, uncertain, again: book.again }))
}

/// The next delivery: a new one, or now and then one that was sent a moment ago.
fn take(target: &Target, first: u64, book: &mut Book) -> u64 {
    let number = target.take_number();
    let earlier = number.saturating_sub(TWICE_AFTER);
    let is_known = earlier > first && target.has_keys(earlier);
    if number.is_multiple_of(TWICE_EVERY) && is_known {
        book.again += 1;
        return earlier;
    }
    book.sent.insert(number);
    number
}
