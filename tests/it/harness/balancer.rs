//! A load balancer in front of several replicas: each request goes to the next one.
//!
//! It asks for one request a connection, so that clients that keep connections do not stay with one
//! replica. Where no replica takes a request, or the one that took it dies before it answers, the
//! client gets 502, as from a real one. It runs on threads of its own, whatever the test blocks.

mod tests;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use parking_lot::Mutex;

const HEAD_BYTES_MAX: usize = 64 * 1024;
const BAD_GATEWAY: &[u8] =
    b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A running balancer; it ends with the test.
#[derive(Debug)]
pub(crate) struct Balancer {
    address: String,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    replicas: Mutex<Replicas>,
    is_ending: AtomicBool,
}

#[derive(Debug, Default)]
struct Replicas {
    addresses: Vec<String>,
    next: usize,
    /// How many requests each has taken.
    requests: BTreeMap<String, u64>,
}

impl Balancer {
    /// On a free port, without replicas.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = listener.local_addr().expect("it is bound").to_string();
        let state = Arc::new(State::default());
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.is_ending.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&accepting);
                // A client that goes away needs no answer.
                thread::spawn(move || drop(state.pass(client)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces the replicas, each with host and port. What is under way goes on.
    pub(crate) fn set<Address: AsRef<str>>(&self, addresses: &[Address]) {
        let addresses = addresses.iter().map(|one| one.as_ref().to_owned()).collect();
        self.state.replicas.lock().addresses = addresses;
    }

    /// How many requests a replica has taken.
    pub(crate) fn requests(&self, address: &str) -> u64 {
        self.state.replicas.lock().requests.get(address).copied().unwrap_or(0)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.state.is_ending.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.address));
    }
}

impl State {
    fn pass(&self, mut client: TcpStream) -> std::io::Result<()> {
        let head = read_head(&mut client)?;
        if head.is_empty() {
            return Ok(());
        }
        let Some(mut replica) = self.connect() else { return client.write_all(BAD_GATEWAY) };
        let mut answered = false;
        if replica.write_all(&close_after(&head)).is_ok() {
            let (mut from, mut to) = (client.try_clone()?, replica.try_clone()?);
            thread::spawn(move || {
                drop(std::io::copy(&mut from, &mut to));
                drop(to.shutdown(Shutdown::Write));
            });
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(read @ 1..) = replica.read(&mut buffer) {
                answered = true;
                client.write_all(&buffer[..read])?;
            }
        }
        if !answered {
            client.write_all(BAD_GATEWAY)?;
        }
        client.shutdown(Shutdown::Both)
    }

    /// A connection to the next replica that takes one.
    fn connect(&self) -> Option<TcpStream> {
        let (addresses, first) = {
            let mut replicas = self.replicas.lock();
            let first = replicas.next;
            replicas.next += 1;
            (replicas.addresses.clone(), first)
        };
        let in_turn = addresses.iter().cycle().skip(first % addresses.len().max(1));
        for address in in_turn.take(addresses.len()) {
            if let Ok(stream) = TcpStream::connect(address) {
                *self.replicas.lock().requests.entry(address.clone()).or_default() += 1;
                return Some(stream);
            }
        }
        None
    }
}

/// What a client sends up to the end of its head, and perhaps beyond; empty when it goes away.
fn read_head(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        let read = client.read(&mut buffer)?;
        if read == 0 {
            head.clear();
            break;
        }
        head.extend_from_slice(&buffer[..read]);
    }
    Ok(head)
}

/// The head of a request that asks the server to close the connection after its answer.
fn close_after(head: &[u8]) -> Vec<u8> {
    let end = head.windows(2).position(|window| window == b"\r\n").map_or(head.len(), |at| at + 2);
    let (first, rest) = head.split_at(end);
    [first, b"connection: close\r\n", rest].concat()
}
