//! The body of a request that is sent only if it is still allowed when its bytes are written.
//!
//! Between a check and the write there may be a wait for a connection or for the processor, and a
//! process can be suspended at any time. Without its body a request is incomplete, so the other end
//! does not act on it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Whether a request may still be sent. Once it says no, it should not say yes again.
pub type MaySend = Arc<dyn Fn() -> bool + Send + Sync>;

/// See the module.
pub(super) struct LateBody {
    bytes: Option<Bytes>,
    may_send: MaySend,
    was_withheld: Arc<AtomicBool>,
}

impl LateBody {
    /// Also returns a flag, which is set when the bytes are withheld.
    pub(super) fn new(bytes: Vec<u8>, may_send: MaySend) -> (Self, Arc<AtomicBool>) {
        let was_withheld = Arc::new(AtomicBool::new(false));
        let body =
            Self { bytes: Some(bytes.into()), may_send, was_withheld: Arc::clone(&was_withheld) };
        (body, was_withheld)
    }
}

impl Body for LateBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        if (self.may_send)() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        self.was_withheld.store(true, Ordering::Release);
        Poll::Ready(Some(Err(io::Error::other("the request must not be sent any more"))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// What a server reads of a request that has this body, and whether it was withheld.
    async fn read_by_server(may_send: bool) -> (String, bool) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let mut read = String::new();
            let (mut connection, _) = listener.accept().unwrap();
            let mut buffer = [0; 1024];
            while !read.ends_with("a body") {
                match connection.read(&mut buffer).unwrap() {
                    0 => break,
                    count => read.push_str(std::str::from_utf8(&buffer[..count]).unwrap()),
                }
            }
            read
        });
        let (body, was_withheld) = LateBody::new(b"a body".to_vec(), Arc::new(move || may_send));
        let request = reqwest::Client::new().post(url).body(reqwest::Body::wrap(body));
        request.send().await.expect_err("there is no answer");
        (server.join().unwrap(), was_withheld.load(Ordering::Acquire))
    }

    #[tokio::test]
    async fn a_body_is_sent_with_its_length() {
        let (read, was_withheld) = read_by_server(true).await;
        assert!(
            read.contains("content-length: 6\r\n") && read.ends_with("\r\n\r\na body"),
            "{read}"
        );
        assert!(!was_withheld);
    }

    #[tokio::test]
    async fn a_body_that_must_not_be_sent_any_more_is_withheld() {
        let (read, was_withheld) = read_by_server(false).await;
        assert!(!read.contains("a body"), "{read}");
        assert!(was_withheld);
    }
}
