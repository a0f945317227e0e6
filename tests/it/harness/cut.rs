//! The network between a gateway and its database, which fails at a chosen message.
//!
//! It reads what PostgreSQL's clients and servers say to each other, as far as needed to find the
//! n-th message of a kind or the n-th statement with certain words. It refuses TLS, which it could
//! not read. It runs on threads of its own, whatever the test blocks.

mod messages;
mod passing;
mod tests;

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::WAIT_MAX;
pub(crate) use messages::Kind;

/// Where a connection fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// At a message of a client.
    Message(Kind),
    /// Where a statement is executed whose text has these words, prepared before or not.
    Statement(String),
}

/// When it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The server never gets the message.
    Before,
    /// The server gets and executes it and what follows up to the next Sync; its answer is lost.
    After,
}

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// That connection is closed, at both ends.
    Cut,
    /// Nothing passes any more on any connection, and none is closed, until `resume`.
    Hang,
}

#[derive(Debug)]
struct Trap {
    at: At,
    /// How many pass before.
    left: u64,
    moment: Moment,
    fault: Fault,
}

/// A running proxy; it ends with the test.
#[derive(Debug)]
pub(crate) struct Cut {
    address: String,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    network: Mutex<Network>,
    resumed: Condvar,
    triggered: Notify,
}

#[derive(Debug)]
struct Network {
    /// Host and port of the server; none refuses connections.
    server: Option<String>,
    trap: Option<Trap>,
    is_hanging: bool,
    is_ending: bool,
    /// Both ends of every connection.
    streams: Vec<TcpStream>,
    connections: u64,
}

impl Cut {
    /// In front of the server at this address, on a free port.
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = listener.local_addr().expect("it is bound").to_string();
        let network = Network {
            server: Some(server.to_owned()),
            trap: None,
            is_hanging: false,
            is_ending: false,
            streams: Vec::new(),
            connections: 0,
        };
        let (resumed, triggered) = (Condvar::new(), Notify::new());
        let state = Arc::new(State { network: Mutex::new(network), resumed, triggered });
        let accepting = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.network.lock().is_ending {
                    return;
                }
                passing::begin(&accepting, client);
            }
        });
        Self { address, state }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The connection fails at the place after the next `passed` of its kind, on any connection.
    pub(crate) fn set(&self, at: At, passed: u64, moment: Moment, fault: Fault) {
        self.state.network.lock().trap = Some(Trap { at, left: passed, moment, fault });
    }

    /// Waits until it has failed there.
    pub(crate) async fn triggered(&self) {
        let triggered = tokio::time::timeout(WAIT_MAX, self.state.triggered.notified()).await;
        assert!(triggered.is_ok(), "no message came to where the connection fails");
    }

    /// From now on nothing passes on any connection, and none is closed.
    pub(crate) fn hang(&self) {
        self.state.network.lock().is_hanging = true;
    }

    /// What was held passes.
    pub(crate) fn resume(&self) {
        self.state.network.lock().is_hanging = false;
        self.state.resumed.notify_all();
    }

    /// Closes every connection.
    pub(crate) fn cut(&self) {
        close(&mut self.state.network.lock().streams);
    }

    /// Where new connections go from now on; with none they are closed at once.
    pub(crate) fn forward_to(&self, server: Option<&str>) {
        self.state.network.lock().server = server.map(str::to_owned);
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> u64 {
        self.state.network.lock().connections
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        {
            let mut network = self.state.network.lock();
            network.is_ending = true;
            close(&mut network.streams);
        }
        self.resume();
        drop(TcpStream::connect(&self.address));
    }
}

fn close(streams: &mut Vec<TcpStream>) {
    for stream in streams.drain(..) {
        // It may be closed already.
        drop(stream.shutdown(Shutdown::Both));
    }
}
