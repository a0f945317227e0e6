//! HTTP/1.1 over plain sockets, and only as much of it as the servers here use: the generator must
//! cost less than the servers that it measures.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEAD_END: &[u8] = b"\r\n\r\n";
const RESPONSE_BYTES_MAX: usize = 4 * 1024 * 1024;
const READ_BYTES: usize = 4096;

/// An answer, with the headers that a browser would act on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) location: Option<String>,
    /// Without its attributes.
    pub(crate) cookie: Option<String>,
}

/// One keep-alive connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Kept, so that nothing is allocated for a response without a body.
    read: Vec<u8>,
}

/// Asks one server single questions, each over a connection of its own.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    /// Of every request; each ends with a line break.
    headers: String,
}

/// Server-sent events, as they come.
#[derive(Debug)]
pub(crate) struct Events(Connection);

impl Events {
    /// Waits for words, and drops everything up to what has come with them. False where the stream
    /// ends before.
    pub(crate) async fn until(&mut self, words: &str) -> std::io::Result<bool> {
        let Connection { stream, read } = &mut self.0;
        loop {
            let has_words = read.windows(words.len()).any(|window| window == words.as_bytes());
            if has_words {
                read.clear();
                return Ok(true);
            }
            read.reserve(READ_BYTES);
            if stream.read_buf(read).await? == 0 || read.len() > RESPONSE_BYTES_MAX {
                return Ok(false);
            }
        }
    }
}

/// The head of a request or response.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    start_line: &'a str,
    pub(crate) content_length: usize,
    is_chunked: bool,
    location: Option<&'a str>,
    cookie: Option<&'a str>,
    /// Of the head itself: the body begins after them.
    pub(crate) bytes: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new() })
    }

    pub(crate) async fn get(&mut self, path: &str) -> std::io::Result<Response> {
        self.ask("GET", path, "", "").await
    }

    /// Sends any request; each of `headers` ends with a line break.
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

    /// Sends a whole request and reads its response.
    pub(crate) async fn send(&mut self, request: &[u8]) -> std::io::Result<Response> {
        self.stream.write_all(request).await?;
        read_response(&mut self.stream, &mut self.read).await
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, headers: String::new() }
    }

    /// Sends a header, such as `cookie: a=b`, with each request.
    pub(crate) fn with_header(address: SocketAddr, header: &str) -> Self {
        Self { address, headers: format!("{header}\r\n") }
    }

    /// The JSON at a path.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        json_of(path, &self.ask("GET", path, "").await?)
    }

    /// The JSON that answers a request.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        json_of(path, &self.ask("POST", path, &body.to_string()).await?)
    }

    /// Whatever is at a path, redirects included.
    pub(crate) async fn open(&self, path: &str) -> anyhow::Result<Response> {
        self.ask("GET", path, "").await
    }

    /// Begins to listen to the events of a path, of which the first is a beat.
    pub(crate) async fn listen(&self, path: &str) -> anyhow::Result<Events> {
        let context = || format!("{} did not answer {path}", self.address);
        let mut connection = Connection::open(self.address).await.with_context(context)?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: loadtest\r\n{}\r\n", self.headers);
        connection.stream.write_all(request.as_bytes()).await.with_context(context)?;
        let mut events = Events(connection);
        let has_begun = events.until("event: beat").await.with_context(context)?;
        ensure!(has_begun, "{path} tells of nothing");
        Ok(events)
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Response> {
        let context = || format!("{} did not answer {method} {path}", self.address);
        let mut connection = Connection::open(self.address).await.with_context(context)?;
        connection.ask(method, path, &self.headers, body).await.with_context(context)
    }
}

fn json_of(path: &str, response: &Response) -> anyhow::Result<Value> {
    let text = String::from_utf8_lossy(&response.body);
    ensure!(matches!(response.status, 200..=299), "{path} answered {}: {text}", response.status);
    serde_json::from_slice(&response.body).with_context(|| format!("{path} answered no JSON"))
}

impl<'a> Head<'a> {
    /// None while the head is incomplete.
    pub(crate) fn parse(read: &'a [u8]) -> std::io::Result<Option<Self>> {
        let Some(end) = read.windows(HEAD_END.len()).position(|window| window == HEAD_END) else {
            return Ok(None);
        };
        let text = std::str::from_utf8(read.get(..end).unwrap_or_default());
        let mut lines = text.map_err(|_| unreadable("the head is no text"))?.split("\r\n");
        let mut head = Self {
            start_line: lines.next().unwrap_or_default(),
            content_length: 0,
            is_chunked: false,
            location: None,
            cookie: None,
            bytes: end + HEAD_END.len(),
        };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.content_length = value.parse().map_err(|_| unreadable("no length"))?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.is_chunked = true;
            } else if name.eq_ignore_ascii_case("location") {
                head.location = Some(value);
            } else if name.eq_ignore_ascii_case("set-cookie") {
                head.cookie = value.split(';').next();
            }
        }
        Ok(Some(head))
    }
}

/// The next response of `stream`; nothing may follow it unasked.
async fn read_response(
    stream: &mut (impl AsyncRead + Unpin),
    read: &mut Vec<u8>,
) -> std::io::Result<Response> {
    read.clear();
    loop {
        read.reserve(READ_BYTES);
        if stream.read_buf(read).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Some(response) = parse_response(read)? {
            return Ok(response);
        }
        if read.len() > RESPONSE_BYTES_MAX {
            return Err(unreadable("the response is too long"));
        }
    }
}

/// None while the response is incomplete.
fn parse_response(read: &[u8]) -> std::io::Result<Option<Response>> {
    let Some(head) = Head::parse(read)? else { return Ok(None) };
    let status = head.start_line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let rest = read.get(head.bytes..).unwrap_or_default();
    let body = match rest.len() {
        _ if head.is_chunked => join_chunks(rest)?,
        length if length < head.content_length => None,
        length if length == head.content_length => Some(rest.to_vec()),
        _ => return Err(unreadable("the response is longer than it says")),
    };
    let status = status.ok_or_else(|| unreadable("no status"))?;
    let (location, cookie) = (head.location.map(str::to_owned), head.cookie.map(str::to_owned));
    Ok(body.map(|body| Response { status, body, location, cookie }))
}

/// The body that came in chunks; none while the last chunk, which is empty, is missing.
fn join_chunks(mut rest: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
        let (head, after) = rest.split_at(end);
        let size = std::str::from_utf8(head).ok().and_then(|head| head.split(';').next());
        let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let size = size.ok_or_else(|| unreadable("a chunk without a size"))?;
        // The line break after the size, the chunk, and the line break after it.
        let (Some(chunk), Some(left)) = (after.get(2..2 + size), after.get(4 + size..)) else {
            return Ok(None);
        };
        if size == 0 {
            return Ok(Some(body));
        }
        body.extend_from_slice(chunk);
        rest = left;
    }
}

fn unreadable(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `bytes` in pieces of every size.
    async fn check(bytes: &[u8], expected: Response) {
        for size in 1..bytes.len() {
            let (mut ours, mut theirs) = tokio::io::duplex(size);
            let write = async move { theirs.write_all(bytes).await.map(|()| theirs) };
            let mut read = Vec::new();
            let (response, written) = tokio::join!(read_response(&mut ours, &mut read), write);
            assert_eq!(response.unwrap(), expected);
            drop(written.unwrap());
        }
    }

    #[tokio::test]
    async fn split_reads_make_one_response() {
        let bytes =
            b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nSet-Cookie: a=b; c\r\n\r\nhello\r\n\r\nyo";
        let (body, cookie) = (b"hello\r\n\r\nyo".to_vec(), Some("a=b".to_owned()));
        check(bytes, Response { status: 200, body, location: None, cookie }).await;
    }

    #[tokio::test]
    async fn chunks_make_one_body() {
        let bytes = b"HTTP/1.1 302 Found\r\nTransfer-Encoding: chunked\r\nLocation: /x\r\n\r\n\
            3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n";
        let (body, location) = (b"hello".to_vec(), Some("/x".to_owned()));
        check(bytes, Response { status: 302, body, location, cookie: None }).await;
    }

    #[tokio::test]
    async fn events_are_heard_until_the_stream_ends() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (begun, listens) = tokio::sync::oneshot::channel();
        let client = Client::with_header(listener.local_addr().unwrap(), "cookie: a=b");
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 64];
            let length = stream.read(&mut asked).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nevent: beat\n\n").await.unwrap();
            listens.await.unwrap();
            stream.write_all(b"event: changed\n\n").await.unwrap();
            asked[..length].to_vec()
        };
        let listening = async {
            let mut events = client.listen("/live").await.unwrap();
            begun.send(()).unwrap();
            (events.until("changed").await.unwrap(), events.until("changed").await.unwrap())
        };
        let (asked, heard) = tokio::join!(server, listening);
        assert_eq!(asked, b"GET /live HTTP/1.1\r\nhost: loadtest\r\ncookie: a=b\r\n\r\n");
        assert_eq!(heard, (true, false));
    }

    #[tokio::test]
    async fn an_early_end_is_an_error() {
        let mut cut: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n";
        assert!(read_response(&mut cut, &mut Vec::new()).await.is_err());
    }
}
