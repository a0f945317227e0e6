//! Begins lives: as many as there is room for, or at a rate whatever becomes of those before. It
//! must never know how a life goes on.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::try_join_all;
use tokio::sync::Semaphore;

use super::ledger::Ledger;
use super::scene::ORGANIZATIONS;
use crate::arrivals::{Arrivals, Schedule};
use crate::bodies;
use crate::connections::{Connection, head};
use crate::gateway::Gateway;

/// Deliveries that may be under way at once; lives may be more.
const CONNECTIONS: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Deliveries {
    address: SocketAddr,
    /// Of each organization: everything before the length of the body.
    heads: Vec<String>,
    ledger: Rc<RefCell<Ledger>>,
    room: Rc<Semaphore>,
}

/// What could not be sent when it was due.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Missed {
    pub(super) late: u64,
    pub(super) dropped: u64,
}

impl Deliveries {
    pub(super) fn new(
        gateway: &Gateway,
        address: SocketAddr,
        ledger: &Rc<RefCell<Ledger>>,
        room: &Rc<Semaphore>,
    ) -> anyhow::Result<Self> {
        let heads = ORGANIZATIONS.iter().map(|organization| {
            let hook = gateway.hook_of(organization)?;
            anyhow::Ok(head(address, &hook.path, &hook.authorization))
        });
        let heads = heads.collect::<Result<_, _>>()?;
        Ok(Self { address, heads, ledger: Rc::clone(ledger), room: Rc::clone(room) })
    }

    /// Keeps so many lives under way for that long; none may be under way before.
    pub(super) async fn closed(&self, lives: usize, time: Duration) -> anyhow::Result<()> {
        self.room.forget_permits(self.room.available_permits());
        self.room.add_permits(lives);
        let until = Instant::now() + time;
        let senders = (0..CONNECTIONS).map(|_| async {
            let mut sender = self.sender().await?;
            loop {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return anyhow::Ok(());
                }
                let Ok(permit) = tokio::time::timeout(left, self.room.acquire()).await else {
                    return Ok(());
                };
                permit.context("there is no room any more")?.forget();
                if !self.deliver(&mut sender, Instant::now()).await? {
                    return Ok(());
                }
            }
        });
        try_join_all(senders).await.map(drop)
    }

    /// Begins lives when they are due.
    pub(super) async fn open(&self, schedule: Schedule) -> anyhow::Result<Missed> {
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            connections.push(self.sender().await?);
        }
        let arrivals = Arrivals::begin(schedule);
        let senders = connections.into_iter().map(|mut sender| {
            let arrivals = &arrivals;
            async move {
                while let Some(arrival) = arrivals.next().await {
                    self.deliver(&mut sender, arrival.due).await?;
                }
                anyhow::Ok(())
            }
        });
        try_join_all(senders).await?;
        Ok(Missed { late: arrivals.late(), dropped: arrivals.dropped() })
    }

    async fn sender(&self) -> anyhow::Result<Sender> {
        let connection = Connection::open(self.address).await.context("cannot connect")?;
        Ok(Sender { connection, request: Vec::new(), body: Vec::new() })
    }

    /// Whether there was something left to deliver.
    async fn deliver(&self, sender: &mut Sender, due: Instant) -> anyhow::Result<bool> {
        let Some(at) = self.ledger.borrow_mut().begin(due) else { return Ok(false) };
        self.render(at, sender)?;
        let response = sender.connection.send(&sender.request).await.context("a delivery broke")?;
        self.ledger.borrow_mut().accepted(at, response.status);
        Ok(true)
    }

    fn render(&self, at: usize, to: &mut Sender) -> anyhow::Result<()> {
        let ledger = self.ledger.borrow();
        let subject = ledger.subjects.get(at).context("there is no such life")?;
        let number = u64::try_from(at)?;
        let template = subject.repository.bodies.template(number).context("there are no bodies")?;
        let about = bodies::Subject { pull_request: subject.pull_request, head: &subject.head };
        to.body.clear();
        template.render_about(number, about, &mut to.body);
        let head = self.heads.get(subject.repository.organization).context("no such hook")?;
        to.request.clear();
        to.request.extend_from_slice(head.as_bytes());
        to.request.extend_from_slice(to.body.len().to_string().as_bytes());
        to.request.extend_from_slice(b"\r\n\r\n");
        to.request.extend_from_slice(&to.body);
        Ok(())
    }
}

/// A connection with its buffers.
#[derive(Debug)]
struct Sender {
    connection: Connection,
    request: Vec<u8>,
    body: Vec<u8>,
}
