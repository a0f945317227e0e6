//! The CI: takes whatever it is asked to start, and reports at once that it succeeded. It has no
//! server's comforts, so that it takes little from the cores that it shares with the gateway.
//!
//! It must never look at more of a trigger than it needs to report.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::ledger::Ledger;
use crate::connections::Connection;

const READ_BYTES: usize = 8 * 1024;
/// Well below what servers keep open.
const IDLE_MAX: Duration = Duration::from_secs(20);
const HEAD_END: &[u8] = b"\r\n\r\n";
const STARTED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
const REPORT: &str = r#"{"state":"succeeded","description":"Measured"}"#;

#[derive(Debug, Deserialize)]
struct Trigger<'a> {
    #[serde(borrow)]
    commit: Cow<'a, str>,
    pull_request: PullRequest,
    #[serde(borrow)]
    report: ReportTo<'a>,
}

#[derive(Debug, Deserialize)]
struct PullRequest {
    id: u64,
}

#[derive(Debug, Deserialize)]
struct ReportTo<'a> {
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow)]
    token: Cow<'a, str>,
}

/// Keep-alive connections to one server, as many as are needed at once.
#[derive(Debug)]
pub(super) struct Pool {
    address: SocketAddr,
    /// Since when; the one that was used last is used next.
    idle: RefCell<Vec<(Connection, Instant)>>,
}

impl Pool {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, idle: RefCell::new(Vec::new()) }
    }

    async fn report(&self, path: &str, token: &str) -> std::io::Result<(u16, Vec<u8>)> {
        let idle = self.idle.borrow_mut().pop();
        let mut connection = match idle.filter(|(_, since)| since.elapsed() < IDLE_MAX) {
            Some((connection, _)) => connection,
            None => Connection::open(self.address).await?,
        };
        let headers = format!("authorization: Bearer {token}\r\n");
        let response = connection.ask("POST", path, &headers, REPORT).await?;
        self.idle.borrow_mut().push((connection, Instant::now()));
        Ok((response.status, response.body))
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    pub(super) ledger: Rc<RefCell<Ledger>>,
    pub(super) gateway: Rc<Pool>,
}

impl Receiver {
    /// Serves until it is dropped, within a `LocalSet`.
    pub(super) async fn serve(self, listener: TcpListener) -> anyhow::Result<()> {
        loop {
            let (stream, _) = listener.accept().await.context("the CI cannot listen")?;
            stream.set_nodelay(true)?;
            let this = self.clone();
            tokio::task::spawn_local(async move {
                if let Err(error) = this.requests(stream).await {
                    this.ledger.borrow_mut().complain(format!("the CI: {error:#}"));
                }
            });
        }
    }

    async fn requests(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        let (mut read, mut chunk) = (Vec::new(), vec![0; READ_BYTES]);
        loop {
            while let Some((body, end)) = request(&read)? {
                self.take(read.get(body..end).unwrap_or_default())?;
                read.drain(..end);
                stream.write_all(STARTED).await?;
            }
            let count = stream.read(&mut chunk).await?;
            if count == 0 {
                return Ok(());
            }
            read.extend_from_slice(chunk.get(..count).unwrap_or_default());
        }
    }

    /// Notes the start, and reports in the background.
    fn take(&self, body: &[u8]) -> anyhow::Result<()> {
        let trigger: Trigger<'_> = serde_json::from_slice(body).context("no trigger")?;
        let started = self.ledger.borrow_mut().started(trigger.pull_request.id, &trigger.commit);
        let Some(at) = started else { return Ok(()) };
        let path = url::Url::parse(&trigger.report.url)?.path().to_owned();
        let token = trigger.report.token.into_owned();
        let this = self.clone();
        tokio::task::spawn_local(async move {
            this.ledger.borrow_mut().reporting(at);
            let answer = this.gateway.report(&path, &token).await;
            let mut ledger = this.ledger.borrow_mut();
            match answer {
                Ok((status, body)) => ledger.reported(at, status, &body),
                Err(error) => ledger.complain(format!("a report broke: {error}")),
            }
        });
        Ok(())
    }
}

/// Where the body of the first request begins and ends; none while something is missing.
fn request(read: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let Some(head) = read.windows(HEAD_END.len()).position(|window| window == HEAD_END) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(read.get(..head).unwrap_or_default())?;
    let length =
        text.split("\r\n").filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        });
    let body = head + HEAD_END.len();
    let end = body + length.context("a trigger without a length")??;
    Ok((read.len() >= end).then_some((body, end)))
}

#[cfg(test)]
mod tests {
    use super::request;

    #[test]
    fn a_request_is_whole_or_not_there() {
        let bytes = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyPOST";
        for end in 0..bytes.len() {
            let found = request(&bytes[..end]).unwrap();
            assert_eq!(found, (end >= 42).then_some((38, 42)), "{end}");
        }
    }
}
