//! The load balancer behaves as a real one.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};

use reqwest::StatusCode;

use super::Balancer;

/// A server that answers `times` requests with its name, and then refuses connections. With no name
/// it closes every connection without an answer.
fn server(name: &'static str, times: usize) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = listener.local_addr().expect("it is bound").to_string();
    let serving = std::thread::spawn(move || {
        for _ in 0..times {
            let (mut stream, _) = listener.accept().expect("it is bound");
            let mut request = [0; 4096];
            let read = stream.read(&mut request).expect("the balancer sends");
            assert!(request[..read].windows(17).any(|line| line == b"connection: close"));
            if !name.is_empty() {
                let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{name}");
                stream.write_all(answer.as_bytes()).expect("the balancer reads");
            }
            drop(stream.shutdown(Shutdown::Both));
        }
    });
    (address, serving)
}

async fn get(http: &reqwest::Client, balancer: &Balancer) -> (StatusCode, String) {
    let answer = http.get(balancer.url()).send().await.expect("the balancer answers");
    (answer.status(), answer.text().await.expect("the answer is whole"))
}

#[tokio::test]
async fn requests_of_one_client_go_round_and_pass_by_who_refuses() {
    let balancer = Balancer::start();
    let http = reqwest::Client::new();
    assert_eq!(get(&http, &balancer).await.0, StatusCode::BAD_GATEWAY);
    let ((one, one_ends), (other, other_ends)) = (server("one", 2), server("other", 4));
    balancer.set(&[&one, &other]);
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(get(&http, &balancer).await.1);
    }
    answers.sort();
    assert_eq!(answers, ["one", "one", "other", "other"]);
    one_ends.join().expect("it served");
    for _ in 0..2 {
        assert_eq!(get(&http, &balancer).await, (StatusCode::OK, "other".to_owned()));
    }
    other_ends.join().expect("it served");
    assert_eq!((balancer.requests(&one), balancer.requests(&other)), (2, 4));
    assert_eq!(get(&http, &balancer).await.0, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_replica_that_dies_before_it_answers_is_a_bad_gateway() {
    let balancer = Balancer::start();
    let (dying, _) = server("", 1);
    balancer.set(&[dying]);
    assert_eq!(get(&reqwest::Client::new(), &balancer).await.0, StatusCode::BAD_GATEWAY);
}
