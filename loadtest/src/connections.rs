//! The load: keep-alive connections, each of which sends its next request when it has the answer to
//! the one before, over plain sockets, so that the generator costs less than what it measures.
//!
//! It must never decide what a result means.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::bodies::{Bodies, Template};
use crate::response::{Reader, Response};
use crate::tally::Tally;

/// One keep-alive connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    reader: Reader,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, reader: Reader::default() })
    }

    pub(crate) async fn get(&mut self, path: &str) -> std::io::Result<Response> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: loadtest\r\n\r\n").as_bytes()).await
    }

    /// Any request; each of `headers` ends with a line break.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> std::io::Result<Response> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: loadtest\r\n{headers}\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.send(request.as_bytes()).await
    }

    pub(crate) async fn send(&mut self, request: &[u8]) -> std::io::Result<Response> {
        self.stream.write_all(request).await?;
        self.reader.next(&mut self.stream).await
    }
}

/// Of a delivery, up to the length of its body.
pub(crate) fn head(address: SocketAddr, path: &str, authorization: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: VSServices/19.257.36318.1\r\n\
         content-type: application/json; charset=utf-8\r\nauthorization: {authorization}\r\n\
         content-length: "
    )
}

/// Deliveries for one server, numbered from zero, which take turns with its organizations.
#[derive(Debug)]
pub(crate) struct Target {
    address: SocketAddr,
    /// Everything before the length of the body; one for each organization.
    heads: Vec<String>,
    bodies: Rc<Bodies>,
    next: Cell<u64>,
}

impl Target {
    pub(crate) fn new(
        address: SocketAddr,
        path: &str,
        authorization: &str,
        bodies: Rc<Bodies>,
    ) -> Self {
        let heads = vec![head(address, path, authorization)];
        Self { address, heads, bodies, next: Cell::new(0) }
    }

    /// Delivers to another organization as well.
    pub(crate) fn and(mut self, path: &str, authorization: &str) -> Self {
        self.heads.push(head(self.address, path, authorization));
        self
    }

    /// Replaces what is in `request` by the request of delivery `number`.
    pub(crate) fn render(&self, number: u64, request: &mut Vec<u8>) -> anyhow::Result<()> {
        let template = self.bodies.template(number).context("there are no bodies")?;
        let organization = usize::try_from(number)?.checked_rem(self.heads.len());
        let head = organization.and_then(|at| self.heads.get(at)).context("there is no hook")?;
        request.clear();
        request.extend_from_slice(head.as_bytes());
        request.extend_from_slice(template.len().to_string().as_bytes());
        request.extend_from_slice(b"\r\n\r\n");
        template.render(number, request);
        Ok(())
    }

    /// Whether a delivery that comes twice is known again.
    pub(crate) fn has_keys(&self, number: u64) -> bool {
        self.bodies.template(number).is_some_and(Template::has_keys)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of the next delivery.
    pub(crate) fn take_number(&self) -> u64 {
        let number = self.next.get();
        self.next.set(number + 1);
        number
    }
}

/// The status of an answer, over a connection that is opened where there is none.
pub(crate) async fn answer(
    open: &mut Option<Connection>,
    target: &Target,
    request: &[u8],
) -> std::io::Result<u16> {
    let connection = match open {
        Some(connection) => connection,
        None => open.insert(Connection::open(target.address).await?),
    };
    Ok(connection.send(request).await?.status)
}

/// Loads `target` for `time` over so many connections, and waits for every answer.
pub(crate) async fn load(
    target: &Rc<Target>,
    connections: usize,
    time: Duration,
) -> anyhow::Result<Tally> {
    let tally = Rc::new(RefCell::new(Tally::new()?));
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        let connection = Connection::open(target.address).await.context("cannot connect")?;
        open.push(connection);
    }
    let begun = Instant::now();
    let local = LocalSet::new();
    let running: Vec<_> = open
        .into_iter()
        .map(|connection| {
            let (target, tally) = (Rc::clone(target), Rc::clone(&tally));
            local.spawn_local(repeat(target, tally, connection, begun + time))
        })
        .collect();
    for ended in local.run_until(futures_util::future::join_all(running)).await {
        ended.context("a connection panicked")??;
    }
    drop(local);
    let mut tally = Rc::into_inner(tally).context("a connection still runs")?.into_inner();
    tally.seconds = begun.elapsed().as_secs_f64();
    Ok(tally)
}

async fn repeat(
    target: Rc<Target>,
    tally: Rc<RefCell<Tally>>,
    mut connection: Connection,
    until: Instant,
) -> anyhow::Result<()> {
    let mut request = Vec::new();
    loop {
        let number = target.take_number();
        target.render(number, &mut request)?;
        let begun = Instant::now();
        let response = connection.send(&request).await;
        let ended = Instant::now();
        match response {
            Ok(response) => {
                let again = target.has_keys(number).then_some(number);
                tally.borrow_mut().answered(again, response.status, ended - begun);
            }
            Err(error) => {
                tally.borrow_mut().broken(&error);
                connection = Connection::open(target.address).await.context("cannot reconnect")?;
            }
        }
        if ended >= until {
            return Ok(());
        }
    }
}
