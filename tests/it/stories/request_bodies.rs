//! The bodies of API calls: who may send one, and how much of them is in memory at a time.

use azdo_gateway::domain::id::RunId;
use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Api, Env, Gateway, POLL_INTERVAL, REPORTER, WAIT_MAX};

/// Sends the head of a POST with a body of `length`, and the first `sent` bytes of the body.
async fn begin(
    gateway: &Gateway,
    path: &str,
    token: &str,
    length: usize,
    sent: usize,
) -> TcpStream {
    let address = gateway.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    stream.write_all(&vec![b' '; sent]).await.expect("it reads");
    stream
}

/// The first line of the answer.
async fn answer(stream: &mut TcpStream) -> String {
    let reading = async {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await.expect("it answers"));
        }
        String::from_utf8(line).expect("it is text")
    };
    tokio::time::timeout(WAIT_MAX, reading).await.expect("it answers before the body is sent")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_on_a_run_that_is_gone_is_refused_before_its_body_is_read() {
    let env = Env::new(2401);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let run: RunId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("it is an id");
    let token = env.keys.report_token(run).expose().to_owned();
    for token in [token.as_str(), REPORTER] {
        let path = format!("/v1/runs/{run}/reports");
        let mut stream = begin(&gateway, &path, token, 60_000, 0).await;
        let line = answer(&mut stream).await;
        assert!(line.contains(" 404 "), "{line}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_a_token_is_refused_before_its_body_is_read() {
    let env = Env::new(2402);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    for path in ["/v1/statuses", "/v1/runs/01890a5d-ac96-774b-bcce-b302099a8057/reports"] {
        let mut stream = begin(&gateway, path, "an-unknown-token", 60_000, 0).await;
        let line = answer(&mut stream).await;
        assert!(line.contains(" 401 "), "{path}: {line}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_bodies_at_once_do_not_fill_the_memory_and_leave_deliveries_alone() {
    let env = Env::new(2403);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    // 16 MiB of bodies that never end.
    let mut open = Vec::new();
    for _ in 0..256 {
        open.push(begin(&gateway, "/v1/statuses", REPORTER, 65_536, 65_535).await);
    }
    let reporter = Api::new(&gateway.url, REPORTER);
    let body = json!({ "description": "x".repeat(1_000) });
    let until = async |status: StatusCode| {
        let asking = async {
            let mut pace = tokio::time::interval(POLL_INTERVAL);
            while reporter.post("/v1/statuses", Some(&body)).await.0 != status {
                pace.tick().await;
            }
        };
        tokio::time::timeout(WAIT_MAX, asking).await.expect("the memory is taken or given back");
    };
    until(StatusCode::SERVICE_UNAVAILABLE).await;
    let taken = env.deliver(&gateway.url, "git-push", "{}").await;
    assert_eq!(taken, StatusCode::ACCEPTED, "deliveries have a budget of their own");
    drop(open);
    // The body lacks what a status needs.
    until(StatusCode::BAD_REQUEST).await;
    gateway.stop().await;
}
