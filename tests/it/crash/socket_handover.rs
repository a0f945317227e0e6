//! A restart that refuses no connection: the parent process, which is this test, holds the socket,
//! and each gateway inherits it. New connections wait in the kernel's queue meanwhile.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::consistency::all;
use crate::harness::{Binary, Env, POLL_INTERVAL, WAIT_MAX, payloads};

const HOOK: &str = "/hooks/azure-devops/fabrikam/by-hand";
/// Half of them keep their connections, the others make a new one for each delivery.
const SENDERS: usize = 6;
/// Deliveries that are answered between two restarts.
const ROUND: usize = 150;

/// How deliveries ended.
#[derive(Default)]
struct Tally {
    refused: AtomicUsize,
    unanswered: AtomicUsize,
    answered: AtomicUsize,
    enough: AtomicBool,
}

/// Delivers one payload after the other, and repeats each until it is answered, as Azure DevOps
/// does. Returns the notification ids of its payloads.
async fn deliver(
    http: reqwest::Client,
    url: String,
    password: String,
    tally: Arc<Tally>,
) -> Vec<u64> {
    let (mut numbers, mut pace) = (Vec::new(), tokio::time::interval(POLL_INTERVAL));
    while !tally.enough.load(Ordering::Relaxed) {
        let payload = payloads::other("workitem.created");
        numbers.push(payload["notificationId"].as_u64().expect("it has one"));
        loop {
            pace.tick().await;
            let request = http.post(&url).basic_auth("azure-devops", Some(&password));
            match request.json(&payload).send().await {
                Ok(answer) => {
                    assert_eq!(answer.status(), StatusCode::ACCEPTED);
                    tally.answered.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Err(error) if error.is_connect() => tally.refused.fetch_add(1, Ordering::Relaxed),
                Err(_) => tally.unanswered.fetch_add(1, Ordering::Relaxed),
            };
        }
    }
    numbers
}

fn senders(env: &Env, gateway: &Binary, tally: &Arc<Tally>) -> JoinSet<Vec<u64>> {
    let mut senders = JoinSet::new();
    for number in 0..SENDERS {
        let kept = if number % 2 == 0 { usize::MAX } else { 0 };
        let http = reqwest::Client::builder().pool_max_idle_per_host(kept).build();
        let url = format!("{}{HOOK}", gateway.url);
        let (password, tally) = (env.password("by-hand"), Arc::clone(tally));
        senders.spawn(deliver(http.expect("it needs nothing"), url, password, tally));
    }
    senders
}

/// Waits until another round of deliveries is answered.
async fn another_round(tally: &Tally) {
    let wanted = tally.answered.load(Ordering::Relaxed) + ROUND;
    let waiting = async {
        let mut pace = tokio::time::interval(POLL_INTERVAL);
        while tally.answered.load(Ordering::Relaxed) < wanted {
            pace.tick().await;
        }
    };
    let happened = tokio::time::timeout(WAIT_MAX, waiting).await;
    assert!(happened.is_ok(), "deliveries are not answered any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_is_refused_while_one_process_follows_another() {
    let env = Env::new(41);
    let mut gateway = Binary::with_inherited_socket(&env, |settings| settings.drain = "2s").await;
    let tally = Arc::new(Tally::default());
    let senders = senders(&env, &gateway, &tally);
    another_round(&tally).await;
    for round in 1..=3 {
        gateway.terminate();
        let ended = tokio::task::block_in_place(|| gateway.wait());
        assert_eq!(ended.code(), Some(0), "{}", gateway.log());
        gateway.spawn_again();
        another_round(&tally).await;
        println!("stop {round}: {} without an answer", tally.unanswered.load(Ordering::Relaxed));
    }
    gateway.kill();
    gateway.spawn_again();
    another_round(&tally).await;
    tally.enough.store(true, Ordering::Relaxed);
    let sent: Vec<u64> = senders.join_all().await.concat();
    let (refused, unanswered) = (&tally.refused, &tally.unanswered);
    println!("{} sent, {} without an answer", sent.len(), unanswered.load(Ordering::Relaxed));
    assert_eq!(refused.load(Ordering::Relaxed), 0, "a connection was refused");
    let mut stored: BTreeMap<u64, usize> = BTreeMap::new();
    for delivery in all(&gateway.api, "/v1/deliveries").await {
        let number = delivery["notification"].as_u64().expect("each payload has one");
        *stored.entry(number).or_default() += 1;
    }
    let wrong: Vec<u64> =
        sent.iter().copied().filter(|number| stored.remove(number) != Some(1)).collect();
    assert!(wrong.is_empty(), "answered 202 and not stored once: {wrong:?}");
    assert!(stored.is_empty(), "stored and never sent: {stored:?}");
}

/// A delivery on this connection, whole.
async fn send(env: &Env, stream: &mut TcpStream) {
    use base64::Engine as _;
    let pair = format!("azure-devops:{}", env.password("by-hand"));
    let basic = base64::engine::general_purpose::STANDARD.encode(pair);
    let request = format!(
        "POST {HOOK} HTTP/1.1\r\nhost: gateway\r\nauthorization: Basic {basic}\r\n\
         content-length: 8\r\n\r\nnot JSON"
    );
    stream.write_all(request.as_bytes()).await.expect("it takes it");
}

/// The head of the next answer; deliveries are answered without a body.
async fn answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("it answers"));
    }
    String::from_utf8(head).expect("a head is text").to_lowercase()
}

async fn until_unready(gateway: &Binary) {
    let is_unready = async || {
        let answer = reqwest::Client::new().get(format!("{}/readyz", gateway.url)).send().await;
        answer.expect("it still serves").status() == StatusCode::SERVICE_UNAVAILABLE
    };
    let asking = async {
        let mut pace = tokio::time::interval(POLL_INTERVAL);
        while !is_unready().await {
            pace.tick().await;
        }
    };
    tokio::time::timeout(WAIT_MAX, asking).await.expect("it becomes unready while it serves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_made_between_two_processes_is_answered_by_the_next() {
    let env = Env::new(42);
    let mut gateway = Binary::with_inherited_socket(&env, |_| {}).await;
    for is_killed in [false, true] {
        if is_killed {
            gateway.kill();
        } else {
            gateway.terminate();
            gateway.wait();
        }
        let address = gateway.settings.listen.as_str();
        let mut early = TcpStream::connect(address).await.expect("the socket listens");
        send(&env, &mut early).await;
        gateway.spawn_again();
        let head = tokio::time::timeout(WAIT_MAX, answer(&mut early)).await;
        let head = head.expect("the next process accepts the connection");
        assert!(head.starts_with("http/1.1 202"), "{head}");
    }
    assert_eq!(all(&gateway.api, "/v1/deliveries").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_answer_on_a_connection_says_that_it_closes() {
    let env = Env::new(43);
    let mut gateway = Binary::with_inherited_socket(&env, |settings| settings.drain = "8s").await;
    let address = gateway.settings.listen.clone();
    let mut kept = TcpStream::connect(&address).await.expect("it listens");
    let mut idle = TcpStream::connect(&address).await.expect("it listens");
    for stream in [&mut kept, &mut idle] {
        send(&env, stream).await;
        let head = answer(stream).await;
        assert!(head.starts_with("http/1.1 202") && !head.contains("connection: close"), "{head}");
    }
    gateway.terminate();
    until_unready(&gateway).await;
    send(&env, &mut kept).await;
    let head = answer(&mut kept).await;
    assert!(head.starts_with("http/1.1 202") && head.contains("connection: close"), "{head}");
    for mut stream in [kept, idle] {
        // A clean end, after which nothing can have been lost.
        assert_eq!(stream.read(&mut [0]).await.expect("it is closed, not reset"), 0);
    }
    assert_eq!(gateway.wait().code(), Some(0));
    gateway.restart().await;
    assert_eq!(all(&gateway.api, "/v1/deliveries").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_is_notified_of_ready_and_stopping() {
    let env = Env::new(44);
    let path = env.settings("").folder.join("notify");
    let supervisor = UnixDatagram::bind(&path).expect("the folder is writable");
    supervisor.set_read_timeout(Some(WAIT_MAX)).expect("it is long");
    let next_message = || {
        let mut message = [0; 256];
        let bytes = supervisor.recv(&mut message).expect("the gateway notifies");
        String::from_utf8_lossy(&message[..bytes]).into_owned()
    };
    let path = path.to_str().expect("it is text").to_owned();
    let mut gateway = Binary::with_inherited_socket(&env, |settings| {
        settings.environment.insert("NOTIFY_SOCKET".to_owned(), path);
    })
    .await;
    assert!(next_message().starts_with("READY=1\n"));
    gateway.terminate();
    assert!(next_message().starts_with("STOPPING=1\n"));
    assert_eq!(gateway.wait().code(), Some(0));
}
