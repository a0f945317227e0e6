//! Against a server that refuses each delivery first, breaks the connection next, and only then
//! acknowledges it: all of them arrive nevertheless.

use std::collections::HashMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use super::*;
use crate::http::Head;
use crate::load::{Load, open};
use crate::pace::{Pace, Schedule, Spacing};

type Seen = Rc<RefCell<HashMap<Vec<u8>, u32>>>;

async fn serve(listener: TcpListener, seen: Seen) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        spawn_local(answer_all(stream, Rc::clone(&seen)));
    }
}

async fn answer_all(mut stream: TcpStream, seen: Seen) {
    while let Some(body) = request(&mut stream).await {
        let times = *seen.borrow_mut().entry(body).and_modify(|times| *times += 1).or_insert(1);
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
    let mut read = Vec::new();
    while stream.read_buf(&mut read).await.ok()? > 0 {
        if let Some(head) = Head::parse(&read).unwrap()
            && read.len() == head.bytes + head.content_length
        {
            return Some(read.split_off(head.bytes));
        }
    }
    None
}

#[tokio::test]
async fn everything_is_sent_until_it_is_acknowledged() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hook = Hook { path: "/hook".to_owned(), authorization: "Basic x".to_owned() };
    let bodies = Rc::new(Bodies::mixed());
    let deliveries =
        Rc::new(Deliveries::new(address, &[hook], &bodies, Sending::UntilAcknowledged).unwrap());
    let (spacing, time) = (Spacing::Even, std::time::Duration::from_secs(60));
    let schedule = Schedule { per_second: 10_000.0, spacing, time };
    let seen = Seen::default();
    let test = async {
        spawn_local(serve(listener, Rc::clone(&seen)));
        let connections = open(address, 4).await.unwrap();
        let load = Load::start(address, connections, &deliveries, Pace::open(schedule));
        while deliveries.answers.borrow().tally.acknowledged < 20 {
            tokio::task::yield_now().await;
        }
        load.stop();
        load.finish().await.unwrap();
        let tally = deliveries.take_tally().unwrap();
        assert_eq!(tally.failed(), 2 * tally.acknowledged, "{:?}", tally.failures);
        assert_eq!(u64::try_from(seen.borrow().len()).unwrap(), tally.acknowledged);
        assert!(seen.borrow().values().all(|times| *times == 3));
        assert!(deliveries.take_recent().len() >= 20);
    };
    LocalSet::new().run_until(test).await;
}

#[test]
fn one_in_fifty_is_a_duplicate_that_is_recognized() {
    let bodies = Rc::new(Bodies::mixed());
    let address = "127.0.0.1:9".parse().unwrap();
    let deliveries = Deliveries::new(address, &[], &bodies, Sending::SomeTwice).unwrap();
    let taken: Vec<_> = (0..1_000).filter_map(|_| deliveries.take(Instant::now())).collect();
    let duplicates: Vec<_> = taken.iter().filter(|due| due.is_duplicate).collect();
    assert!((15..20).contains(&duplicates.len()), "{}", duplicates.len());
    for due in duplicates {
        assert!(deliveries.has_keys(due.number), "{} has no keys", due.number);
        assert!(taken.iter().any(|one| one.number == due.number && !one.is_duplicate));
    }
}
