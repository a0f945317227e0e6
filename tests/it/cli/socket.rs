//! `serve` with an inherited socket: one that it cannot use, and one at another address than the
//! configuration has.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;

use super::call::CallResult;
use crate::harness::{Binary, Env, Settings, inheriting_command};

/// Runs `serve` to its end with `descriptor` as the first of `count` inherited descriptors.
fn serve_on(settings: &Settings, descriptor: impl Into<OwnedFd>, count: &str) -> CallResult {
    let output = inheriting_command(descriptor.into())
        .args(["serve", "--config"])
        .arg(settings.write())
        .env_clear()
        .envs(settings.variables())
        .env("LISTEN_FDS", count)
        .output()
        .expect("the binary starts");
    CallResult {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("it prints text"),
        err: String::from_utf8(output.stderr).expect("it prints text"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_an_unusable_socket_with_a_remedy() {
    let env = Env::new(51);
    let settings = env.settings("127.0.0.1:1");
    let listener = || TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let refused = |ended: CallResult, words: &[&str]| {
        ended.refused(1, words);
        assert!(!settings.database().exists(), "the database was created");
    };
    let two = serve_on(&settings, listener(), "2");
    refused(two, &["2 sockets were inherited", "leave one ListenStream="]);
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
    let datagrams = serve_on(&settings, datagrams, "1");
    refused(datagrams, &["cannot be used", "ListenStream=127.0.0.1:8080"]);
    let no_socket = std::fs::File::open("/dev/null").expect("it is there");
    refused(serve_on(&settings, no_socket, "1"), &["cannot be used", "not a socket"]);
    let listener = listener();
    let address = listener.local_addr().expect("it is bound");
    let single = TcpStream::connect(address).expect("it listens");
    refused(serve_on(&settings, single, "1"), &["does not listen", "Accept=no"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_take_a_socket_for_another_process() {
    let env = Env::new(52);
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = taken.local_addr().expect("it is bound").to_string();
    let mut settings = env.settings(&address);
    settings.environment.insert("LISTEN_PID".to_owned(), "1".to_owned());
    settings.environment.insert("LISTEN_FDS".to_owned(), "1".to_owned());
    let error = format!("cannot listen on {address}");
    super::call::ask(&settings, &["serve"]).refused(1, &[&error, "in use", "LISTEN_PID"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_a_socket_at_another_address_and_warns() {
    let env = Env::new(53);
    let elsewhere = |settings: &mut Settings| settings.listen = "127.0.0.1:1".to_owned();
    let gateway = Binary::with_inherited_socket(&env, elsewhere).await;
    assert_eq!(gateway.api.get("/readyz").await["status"], "ready");
    let log = gateway.log();
    assert!(log.contains("server.listen is 127.0.0.1:1"), "{log}");
}
