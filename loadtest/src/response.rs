//! Reads responses, and only as much of HTTP/1.1 as the servers that are measured use: a head with
//! Content-Length or chunks, then a body. It must never interpret a body.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncRead, AsyncReadExt};

const HEAD_END: &[u8] = b"\r\n\r\n";
const RESPONSE_BYTES_MAX: usize = 4 * 1024 * 1024;
const READ_BYTES: usize = 4096;

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Where a browser would go now.
    pub(crate) location: Option<String>,
    /// What a browser would bring along there, without its attributes.
    pub(crate) cookie: Option<String>,
}

/// Keeps what was read, so that nothing is allocated for a response without a body.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    read: Vec<u8>,
}

impl Reader {
    /// The next response of `stream`; nothing may follow it unasked.
    pub(crate) async fn next(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> std::io::Result<Response> {
        self.read.clear();
        let mut chunk = [0; READ_BYTES];
        loop {
            let count = stream.read(&mut chunk).await?;
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.read.extend_from_slice(chunk.get(..count).unwrap_or_default());
            if let Some(response) = parse(&self.read)? {
                return Ok(response);
            }
            if self.read.len() > RESPONSE_BYTES_MAX {
                return Err(unreadable("too long"));
            }
        }
    }
}

/// None while something is missing.
fn parse(read: &[u8]) -> std::io::Result<Option<Response>> {
    let Some(end) = read.windows(HEAD_END.len()).position(|window| window == HEAD_END) else {
        return Ok(None);
    };
    let (head, rest) = read.split_at(end);
    let body = rest.get(HEAD_END.len()..).unwrap_or_default();
    let head = std::str::from_utf8(head).map_err(|_| unreadable("a head that is no text"))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).map(str::parse);
    let Some(Ok(status)) = status else { return Err(unreadable("no status")) };
    let (mut length, mut location, mut cookie) = (0, None, None);
    let mut is_chunked = false;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(|_| unreadable("no length"))?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            is_chunked = true;
        } else if name.eq_ignore_ascii_case("location") {
            location = Some(value.trim().to_owned());
        } else if name.eq_ignore_ascii_case("set-cookie") {
            cookie = value.split(';').next().map(|pair| pair.trim().to_owned());
        }
    }
    if is_chunked {
        let body = joined(body)?;
        return Ok(body.map(|body| Response { status, body, location, cookie }));
    }
    match body.len() {
        shorter if shorter < length => Ok(None),
        same if same == length => {
            Ok(Some(Response { status, body: body.to_vec(), location, cookie }))
        }
        _ => Err(unreadable("more than was asked for")),
    }
}

/// The body that came in chunks; none while the last, which is empty, is missing.
fn joined(mut rest: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
        let (head, after) = rest.split_at(end);
        let size = std::str::from_utf8(head).ok().and_then(|head| head.split(';').next());
        let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let size = size.ok_or_else(|| unreadable("no size of a chunk"))?;
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
    use tokio::io::AsyncWriteExt;

    use super::{Reader, Response};

    #[tokio::test]
    async fn split_reads_make_one_response() {
        let bytes =
            b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nSet-Cookie: a=b; c\r\n\r\nhello\r\n\r\nyo";
        for size in 1..bytes.len() {
            let (mut ours, mut theirs) = tokio::io::duplex(size);
            let write = async move { theirs.write_all(bytes).await.map(|()| theirs) };
            let mut reader = Reader::default();
            let (response, written) = tokio::join!(reader.next(&mut ours), write);
            let body = b"hello\r\n\r\nyo".to_vec();
            let cookie = Some("a=b".to_owned());
            let expected = Response { status: 200, body, location: None, cookie };
            assert_eq!(response.unwrap(), expected);
            drop(written.unwrap());
        }
    }

    #[tokio::test]
    async fn chunks_make_one_body() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n";
        for size in 1..bytes.len() {
            let (mut ours, mut theirs) = tokio::io::duplex(size);
            let write = async move { theirs.write_all(bytes).await.map(|()| theirs) };
            let mut reader = Reader::default();
            let (response, written) = tokio::join!(reader.next(&mut ours), write);
            assert_eq!(response.unwrap().body, b"hello");
            drop(written.unwrap());
        }
    }

    #[tokio::test]
    async fn an_early_end_is_an_error() {
        let mut cut: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n";
        assert!(Reader::default().next(&mut cut).await.is_err());
    }
}
