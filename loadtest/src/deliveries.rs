//! Deliveries for one server, numbered from zero, and what was answered to them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::bodies::{Bodies, PullRequest, Template};
use crate::http::Connection;
use crate::latencies::Latencies;
use crate::load::{Due, Requests};

/// How many acknowledged deliveries are remembered, to be sent again.
const RECENT_MAX: usize = 512;
/// With `Sending::SomeTwice`: which share is duplicates, and how far back the original is.
const DUPLICATE_EVERY: u64 = 50;
const DUPLICATE_AFTER: u64 = 20;
/// The length of a body is written here once the body is; a header's value may begin with blanks.
const LENGTH_PLACE: &[u8] = b"        ";

/// The endpoint of a service hook.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) path: String,
    pub(crate) authorization: String,
}

/// How often each delivery is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    Once,
    /// Now and then twice, as after an answer that did not reach Azure DevOps.
    SomeTwice,
    /// Again until it is acknowledged, as Azure DevOps does after a 503.
    UntilAcknowledged,
}

/// See the module. Deliveries go to the hooks of several organizations in turns.
#[derive(Debug)]
pub(crate) struct Deliveries {
    pub(crate) address: SocketAddr,
    /// Of each hook: the request up to the length of its body.
    heads: Vec<String>,
    bodies: Rc<Bodies>,
    sending: Sending,
    next: Cell<u64>,
    answers: RefCell<Answers>,
}

#[derive(Debug)]
struct Answers {
    tally: Tally,
    failed: VecDeque<Due>,
    recent: VecDeque<u64>,
    last_acknowledged: Option<(Instant, Instant)>,
}

/// What was answered since the last look.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Answers of success, which promise that the delivery is stored.
    pub(crate) acknowledged: u64,
    /// The same for duplicates, which are not counted otherwise.
    pub(crate) duplicates: u64,
    /// Answers other than success and broken connections, by kind.
    pub(crate) failures: BTreeMap<String, u64>,
    /// From when a delivery was due until it was acknowledged.
    pub(crate) latencies: Latencies,
}

impl Tally {
    fn new() -> anyhow::Result<Self> {
        let latencies = Latencies::new()?;
        Ok(Self { acknowledged: 0, duplicates: 0, failures: BTreeMap::new(), latencies })
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

impl Deliveries {
    pub(crate) fn new(
        address: SocketAddr,
        hooks: &[Hook],
        bodies: &Rc<Bodies>,
        sending: Sending,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            address,
            heads: hooks.iter().map(|hook| head_of(address, hook)).collect(),
            bodies: Rc::clone(bodies),
            sending,
            next: Cell::new(0),
            answers: RefCell::new(Answers {
                tally: Tally::new()?,
                failed: VecDeque::new(),
                recent: VecDeque::new(),
                last_acknowledged: None,
            }),
        })
    }

    /// Numbers deliveries from `number` on.
    pub(crate) fn starting_at(self, number: u64) -> Self {
        self.next.set(number);
        self
    }

    /// The number of the next delivery.
    pub(crate) fn next_number(&self) -> u64 {
        self.next.get()
    }

    /// What was answered since the last call.
    pub(crate) fn take_tally(&self) -> anyhow::Result<Tally> {
        Ok(std::mem::replace(&mut self.answers.borrow_mut().tally, Tally::new()?))
    }

    /// Takes the numbers of the last acknowledged deliveries whose duplicates are recognized.
    pub(crate) fn take_recent(&self) -> VecDeque<u64> {
        std::mem::take(&mut self.answers.borrow_mut().recent)
    }

    /// When the last acknowledged delivery was sent, and when its answer came.
    pub(crate) fn last_acknowledged(&self) -> Option<(Instant, Instant)> {
        self.answers.borrow().last_acknowledged
    }

    /// Sends deliveries again, each of which has to be acknowledged once more.
    pub(crate) async fn resend(&self, numbers: &[u64]) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.address).await?;
        let mut request = Vec::new();
        for number in numbers.iter().copied() {
            self.render(Due { number, at: Instant::now(), is_duplicate: true }, &mut request)?;
            let status = connection.send(&request).await.context("a resend broke")?.status;
            ensure!((200..300).contains(&status), "duplicate {number} was answered {status}");
        }
        Ok(())
    }

    /// Whether a duplicate of it is recognized.
    pub(crate) fn has_keys(&self, number: u64) -> bool {
        self.bodies.template(number).is_some_and(Template::has_keys)
    }
}

impl Requests for Deliveries {
    fn failed(&self) -> Option<Due> {
        self.answers.borrow_mut().failed.pop_front()
    }

    fn take(&self, at: Instant) -> Option<Due> {
        let mut number = self.next.get();
        // A delivery without keys would be stored as often as it is sent.
        while self.sending == Sending::UntilAcknowledged && !self.has_keys(number) {
            number += 1;
        }
        self.next.set(number + 1);
        let is_turn = self.sending == Sending::SomeTwice && number.is_multiple_of(DUPLICATE_EVERY);
        let earlier = number.checked_sub(DUPLICATE_AFTER).filter(|_| is_turn);
        let earlier = earlier.filter(|earlier| self.has_keys(*earlier));
        let (number, is_duplicate) = (earlier.unwrap_or(number), earlier.is_some());
        Some(Due { number, at, is_duplicate })
    }

    fn render(&self, due: Due, request: &mut Vec<u8>) -> anyhow::Result<()> {
        let hook = usize::try_from(due.number)?.checked_rem(self.heads.len());
        let head = hook.and_then(|hook| self.heads.get(hook)).context("there is no hook")?;
        let template = self.bodies.template(due.number).context("there are no bodies")?;
        render(head, template, due.number, None, request);
        Ok(())
    }

    fn answered(&self, due: Due, sent: Instant, answer: std::io::Result<u16>) {
        let now = Instant::now();
        let mut answers = self.answers.borrow_mut();
        let failure = match answer {
            Ok(200..=299) if due.is_duplicate => {
                answers.tally.duplicates += 1;
                return;
            }
            Ok(200..=299) => {
                answers.tally.acknowledged += 1;
                answers.tally.latencies.record(now.saturating_duration_since(due.at));
                answers.last_acknowledged = Some((sent, now));
                if self.has_keys(due.number) {
                    if answers.recent.len() == RECENT_MAX {
                        answers.recent.pop_front();
                    }
                    answers.recent.push_back(due.number);
                }
                return;
            }
            Ok(status) => status.to_string(),
            Err(error) => format!("broken: {}", error.kind()),
        };
        *answers.tally.failures.entry(failure).or_default() += 1;
        if self.sending == Sending::UntilAcknowledged {
            // The moment at which it was due stays, so its latency includes the failed attempts.
            answers.failed.push_back(due);
        }
    }
}

/// The request of a delivery up to the length of its body.
pub(crate) fn head_of(address: SocketAddr, hook: &Hook) -> String {
    let Hook { path, authorization } = hook;
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: VSServices/19.257.36318.1\r\n\
         content-type: application/json; charset=utf-8\r\nauthorization: {authorization}\r\n\
         content-length: "
    )
}

/// Replaces what is in `request` by a delivery, about `pull_request` or a made-up one.
pub(crate) fn render(
    head: &str,
    template: &Template,
    number: u64,
    pull_request: Option<PullRequest<'_>>,
    request: &mut Vec<u8>,
) {
    request.clear();
    request.extend_from_slice(head.as_bytes());
    let length_end = request.len() + LENGTH_PLACE.len();
    request.extend_from_slice(LENGTH_PLACE);
    request.extend_from_slice(b"\r\n\r\n");
    let head_bytes = request.len();
    template.render(number, pull_request, request);
    let length = (request.len() - head_bytes).to_string();
    let place = request.iter_mut().skip(length_end - length.len());
    place.zip(length.bytes()).for_each(|(byte, digit)| *byte = digit);
}

#[cfg(test)]
#[path = "deliveries_tests.rs"]
mod tests;
