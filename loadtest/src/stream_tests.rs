//! A receiver that makes it difficult: everything must reach it all the same.

use std::collections::HashMap;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::*;
use crate::bodies::Bodies;

/// Refuses each delivery first, drops the connection next, and only then takes it.
async fn receive(listener: TcpListener, seen: Rc<RefCell<HashMap<Vec<u8>, u32>>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        spawn_local(answer_all(stream, Rc::clone(&seen)));
    }
}

async fn answer_all(mut stream: TcpStream, seen: Rc<RefCell<HashMap<Vec<u8>, u32>>>) {
    while let Some(body) = request(&mut stream).await {
        let times = {
            let mut seen = seen.borrow_mut();
            let times = seen.entry(body).or_default();
            *times += 1;
            *times
        };
        let answer: &[u8] = match times {
            1 => b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
            2 => return,
            _ => b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n",
        };
        stream.write_all(answer).await.unwrap();
    }
}

/// The body of the next request; none at the end.
async fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    use tokio::io::AsyncReadExt;
    let mut read = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if body.len() == length {
            return Some(body.as_bytes().to_vec());
        }
    }
}

#[tokio::test]
async fn everything_is_sent_until_it_is_acknowledged() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let target = Rc::new(Target::new(address, "/hook", "Basic x", Rc::new(Bodies::new())));
    let seen: Rc<RefCell<HashMap<Vec<u8>, u32>>> = Rc::default();
    let test = async {
        spawn_local(receive(listener, Rc::clone(&seen)));
        let load = Running::start(&target, 4, Some(10_000.0)).unwrap();
        let stream = Rc::clone(&load.stream);
        while stream.state.borrow().seen.accepted < 20 {
            tokio::task::yield_now().await;
        }
        let sent = load.end().await.unwrap();
        let came = stream.take_seen().unwrap();
        assert_eq!(came.accepted, sent);
        assert_eq!(came.latencies.count(), sent);
        assert_eq!(came.others.values().sum::<u64>(), 2 * sent, "{:?}", came.others);
        assert_eq!(u64::try_from(seen.borrow().len()).unwrap(), sent);
        assert!(seen.borrow().values().all(|times| *times == 3));
    };
    LocalSet::new().run_until(test).await;
}
