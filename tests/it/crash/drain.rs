//! SIGTERM: readiness falls first, requests in flight are answered, accepted deliveries are on disk
//! in one file, and the next process continues at once.

use fakes::faults::{Action, Rule};
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::consistency::Listed;
use crate::harness::{Binary, Env, POLL_INTERVAL, WAIT_MAX};

/// Half of a delivery, so that the gateway waits for the rest of it.
async fn begin_delivery(env: &Env, gateway: &Binary, body: &[u8]) -> TcpStream {
    use base64::Engine as _;
    let pair = format!("azure-devops:{}", env.password("by-hand"));
    let basic = base64::engine::general_purpose::STANDARD.encode(pair);
    let address = gateway.settings.listen.as_str();
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let head = format!(
        "POST /hooks/azure-devops/fabrikam/by-hand HTTP/1.1\r\nhost: {address}\r\n\
         authorization: Basic {basic}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    stream.write_all(&body[..body.len() / 2]).await.expect("it reads");
    stream
}

async fn until_unready(gateway: &Binary) {
    let asking = async {
        let mut pace = tokio::time::interval(POLL_INTERVAL);
        let ready = async || {
            let answer = reqwest::Client::new().get(format!("{}/readyz", gateway.url)).send();
            answer.await.expect("it still serves").status()
        };
        while ready().await != StatusCode::SERVICE_UNAVAILABLE {
            pace.tick().await;
        }
    };
    tokio::time::timeout(WAIT_MAX, asking).await.expect("it becomes unready while it serves");
}

async fn until_closed(gateway: &Binary) {
    let asking = async {
        let mut pace = tokio::time::interval(POLL_INTERVAL);
        while TcpStream::connect(gateway.settings.listen.as_str()).await.is_ok() {
            pace.tick().await;
        }
    };
    tokio::time::timeout(WAIT_MAX, asking).await.expect("it stops listening");
}

/// Bytes in the write-ahead log.
fn log_bytes(gateway: &Binary) -> u64 {
    let mut log = gateway.settings.database().into_os_string();
    log.push("-wal");
    std::fs::metadata(log).map_or(0, |found| found.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_answered_before_the_process_ends() {
    let env = Env::new(1);
    let mut gateway = Binary::start_with(&env, |settings| settings.drain = "4s").await;
    let (id, commit) = env.open("feature/search");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let body = br#"{"eventType": "git.push", "resource": null}"#;
    let mut delivery = begin_delivery(&env, &gateway, body).await;
    gateway.terminate();
    until_unready(&gateway).await;
    // Not ready, and still no delivery is refused.
    let another = reqwest::Client::new()
        .post(format!("{}/hooks/azure-devops/fabrikam/by-hand", gateway.url))
        .basic_auth("azure-devops", Some(env.password("by-hand")))
        .body("not JSON at all")
        .send()
        .await;
    assert_eq!(another.expect("it still accepts").status(), StatusCode::ACCEPTED);
    until_closed(&gateway).await;
    delivery.write_all(&body[body.len() / 2..]).await.expect("it still reads");
    let mut answer = vec![0; 12];
    delivery.read_exact(&mut answer).await.expect("it answers");
    assert_eq!(answer, b"HTTP/1.1 202");
    drop(delivery);
    assert_eq!(gateway.wait().code(), Some(0));
    assert_eq!(log_bytes(&gateway), 0, "rows are left outside of the one file");
    gateway.restart().await;
    let deliveries = gateway.api.items("/v1/deliveries?outcome=quarantined").await;
    assert_eq!(deliveries.len(), 1, "what was accepted while stopping is gone");
    Listed::when_idle(&env, &gateway.api).await;
    assert_eq!(gateway.api.items("/v1/deliveries").await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_cut_off_by_the_stop_is_repeated_at_once() {
    let env = Env::new(2);
    let mut gateway = Binary::start(&env).await;
    env.shell.ci(|ci| {
        ci.faults.add(Rule::new("POST", "/ci/start", Action::Hold { before: true }).next(1));
    });
    let (id, commit) = env.open("feature/search");
    assert!(env.shell.wait_for_held(WAIT_MAX, 1).await.is_some());
    env.until_delivered().await;
    gateway.terminate();
    assert_eq!(gateway.wait().code(), Some(0));
    assert_eq!(log_bytes(&gateway), 0, "rows are left outside of the one file");
    let begun = std::time::Instant::now();
    gateway.restart().await;
    // Were its lease of 30 seconds not void, nothing would happen for nearly as long.
    let is_asked = |_: &fakes::ado::World, ci: &fakes::ci::World| ci.starts() == 1;
    assert!(env.shell.wait_until(WAIT_MAX / 2, is_asked).await, "the lease is still held");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    println!("shown {:?} after the start", begun.elapsed());
    Listed::when_idle(&env, &gateway.api).await.check(&env);
}
