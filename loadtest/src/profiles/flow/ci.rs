//! A stand-in for the CI: it takes every run and reports that it succeeded. It is written
//! without a server's framework, because it shares the cores with the gateway.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use super::tracker::Tracker;
use crate::http::{Connection, Head};

const READ_BYTES: usize = 8 * 1024;
/// A connection that was idle for longer is not used again; the gateway may close it.
const IDLE_MAX: Duration = Duration::from_secs(20);
const STARTED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
const REPORT: &str = r#"{"state":"succeeded","description":"Measured"}"#;

/// See the module.
#[derive(Debug)]
pub(super) struct Ci {
    tracker: Rc<RefCell<Tracker>>,
    gateway: SocketAddr,
    /// How long a run takes.
    run_time: Duration,
    /// Connections to the gateway, and since when each is idle; the last is used next.
    idle: RefCell<Vec<(Connection, Instant)>>,
}

impl Ci {
    pub(super) fn new(
        tracker: &Rc<RefCell<Tracker>>,
        gateway: SocketAddr,
        run_time: Duration,
    ) -> Rc<Self> {
        let idle = RefCell::new(Vec::new());
        Rc::new(Self { tracker: Rc::clone(tracker), gateway, run_time, idle })
    }

    /// Serves until it is dropped, within a `LocalSet`.
    pub(super) async fn serve(self: Rc<Self>, listener: TcpListener) -> anyhow::Result<()> {
        loop {
            let (stream, _) = listener.accept().await.context("the CI cannot listen")?;
            stream.set_nodelay(true)?;
            let ci = Rc::clone(&self);
            spawn_local(async move {
                if let Err(error) = ci.answer_all(stream).await {
                    ci.tracker.borrow_mut().add_problem(format!("the CI: {error:#}"));
                }
            });
        }
    }

    async fn answer_all(self: &Rc<Self>, mut stream: TcpStream) -> anyhow::Result<()> {
        let mut read = Vec::new();
        loop {
            while let Some((body, end)) = request(&read)? {
                self.start(read.get(body..end).unwrap_or_default())?;
                read.drain(..end);
                stream.write_all(STARTED).await?;
            }
            read.reserve(READ_BYTES);
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Notes the start, and reports in the background.
    fn start(self: &Rc<Self>, body: &[u8]) -> anyhow::Result<()> {
        let trigger: Value = serde_json::from_slice(body).context("no trigger")?;
        let text = |pointer| trigger.pointer(pointer).and_then(Value::as_str).context("no trigger");
        let id =
            trigger.pointer("/pull_request/id").and_then(Value::as_u64).context("no trigger")?;
        let started = self.tracker.borrow_mut().started(id, text("/commit")?);
        let Some(flow) = started else { return Ok(()) };
        let path = url::Url::parse(text("/report/url")?)?.path().to_owned();
        let token = text("/report/token")?.to_owned();
        let ci = Rc::clone(self);
        spawn_local(async move {
            if !ci.run_time.is_zero() {
                tokio::time::sleep(ci.run_time).await;
            }
            ci.tracker.borrow_mut().reported(flow);
            let answer = ci.report(&path, &token).await;
            let mut tracker = ci.tracker.borrow_mut();
            match answer {
                Ok((status, body)) => tracker.report_answered(flow, status, &body),
                Err(error) => tracker.add_problem(format!("a report broke: {error}")),
            }
        });
        Ok(())
    }

    async fn report(&self, path: &str, token: &str) -> std::io::Result<(u16, Vec<u8>)> {
        let idle = self.idle.borrow_mut().pop();
        let mut connection = match idle.filter(|(_, since)| since.elapsed() < IDLE_MAX) {
            Some((connection, _)) => connection,
            None => Connection::open(self.gateway).await?,
        };
        let headers = format!("authorization: Bearer {token}\r\n");
        let response = connection.ask("POST", path, &headers, REPORT).await?;
        self.idle.borrow_mut().push((connection, Instant::now()));
        Ok((response.status, response.body))
    }
}

/// Where the body of the first request begins and ends; none while the request is incomplete.
fn request(read: &[u8]) -> std::io::Result<Option<(usize, usize)>> {
    let head = Head::parse(read)?;
    let body = head.map(|head| (head.bytes, head.bytes + head.content_length));
    Ok(body.filter(|(_, end)| read.len() >= *end))
}
