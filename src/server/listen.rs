//! The socket that the server listens on: an inherited one, or one that it binds itself.
//!
//! An inherited socket (`LISTEN_FDS`, as from systemd) outlives the process: while the gateway
//! restarts, connections wait in the kernel instead of being refused. It is never shut down, only
//! closed; the next process accepts the connections that this one has not accepted.

use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::SockRef;

/// Connections of one worker.
const CONNECTIONS_MAX: usize = 10_000;
/// Open files that are not left to connections: 128 segments of the intake, readers of the database
/// with three files each, and calls to Azure DevOps and CI systems.
const FILES_RESERVED: u64 = 512;
/// A limit below this is not what an operator would choose.
const FEW_FILES: u64 = 4_096;

/// A socket to listen on.
#[derive(Debug)]
pub struct Listening {
    pub listener: TcpListener,
    /// The parent process holds the socket, too, and hands it to the next process.
    pub is_inherited: bool,
}

/// Why there is no socket to listen on, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {listen}: {source}{hint}")]
    Bind { listen: SocketAddr, source: std::io::Error, hint: &'static str },
    #[error(
        "{0} sockets were inherited (LISTEN_FDS), and the gateway listens on one: leave one \
         ListenStream= in the socket unit"
    )]
    TooMany(usize),
    #[error(
        "the inherited socket cannot be used: {0}: hand over one that listens for TCP, such as \
         ListenStream=127.0.0.1:8080 in a socket unit"
    )]
    Unusable(std::io::Error),
    #[error(
        "the inherited socket does not listen: it is a single connection, or nobody called \
         listen; write Accept=no in the socket unit, or leave it out"
    )]
    NotListening,
}

impl Listening {
    /// A socket of this process: connections that are not accepted end with the process.
    pub fn own(listener: TcpListener) -> Self {
        Self { listener, is_inherited: false }
    }
}

/// How many connections each of the `workers` may accept where the process may have
/// `open_files_max` files open. The rest is for files of the store and for outgoing calls:
/// connections that idle do not keep them from being opened. Logs what all workers accept.
pub fn connections_max(open_files_max: u64, workers: usize) -> usize {
    let per_worker = connections_per_worker(open_files_max, workers);
    let connections_max = per_worker.saturating_mul(workers);
    if open_files_max < FEW_FILES {
        tracing::warn!(
            "at most {connections_max} connections are accepted at the same time, since this \
             process may have {open_files_max} files open: raise the hard limit (LimitNOFILE= in \
             systemd, ulimit -n in a shell)"
        );
    } else {
        tracing::info!(open_files_max, connections_max, "connections accepted at the same time");
    }
    per_worker
}

fn connections_per_worker(open_files_max: u64, workers: usize) -> usize {
    let reserved = FILES_RESERVED.min(open_files_max / 2);
    let for_all = usize::try_from(open_files_max - reserved).unwrap_or(usize::MAX);
    (for_all / workers.max(1)).clamp(1, CONNECTIONS_MAX)
}

/// The inherited socket, or one that is bound to `listen`. Removes `LISTEN_FDS` from the
/// environment, so that the socket is taken once.
///
/// # Errors
/// There is no socket that can be used.
pub fn listen(listen: SocketAddr) -> Result<Listening, Error> {
    let is_for_another = std::env::var("LISTEN_PID")
        .is_ok_and(|process| !process.is_empty() && process != std::process::id().to_string());
    let mut inherited = ListenFd::from_env();
    if inherited.len() > 1 {
        return Err(Error::TooMany(inherited.len()));
    }
    if let Some(listener) = inherited.take_tcp_listener(0).map_err(Error::Unusable)? {
        return accept_inherited(listener, listen);
    }
    // With a wrong LISTEN_PID the parent process holds the address, so that binding it fails.
    let hint = if is_for_another {
        " (LISTEN_PID names another process, so no socket was inherited: it has to be that of the \
         gateway itself, not of a shell around it)"
    } else {
        ""
    };
    Ok(Listening::own(bind(listen, hint)?))
}

/// The socket for `server.admin_listen`. It is never inherited.
///
/// # Errors
/// The address cannot be bound.
pub fn listen_for_probes(listen: SocketAddr) -> Result<TcpListener, Error> {
    bind(listen, " (server.admin_listen)")
}

fn bind(listen: SocketAddr, hint: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(listen).map_err(|source| Error::Bind { listen, source, hint })
}

/// The inherited socket, if it listens.
fn accept_inherited(listener: TcpListener, listen: SocketAddr) -> Result<Listening, Error> {
    // The server would fail to accept for ever, and only log it.
    if !SockRef::from(&listener).is_listener().map_err(Error::Unusable)? {
        return Err(Error::NotListening);
    }
    let address = listener.local_addr().map_err(Error::Unusable)?;
    if reaches(address, listen) {
        tracing::info!("listening on the inherited socket at {address}");
    } else {
        tracing::warn!(
            "the inherited socket is at {address}, but server.listen is {listen}: the gateway \
             listens on the socket; set listen = \"{address}\", which the command line connects to"
        );
    }
    Ok(Listening { listener, is_inherited: true })
}

/// Whether a connection to `listen` reaches a socket at `address`.
fn reaches(address: SocketAddr, listen: SocketAddr) -> bool {
    let is_any_address = address.ip().is_unspecified();
    address == listen || (is_any_address && address.port() == listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_store() {
        let cases = [
            (0, 2, 1),
            (64, 2, 16),
            (1_000, 1, 500),
            (1_024, 2, 256),
            (4_096, 4, 896),
            (65_536, 4, CONNECTIONS_MAX),
            (u64::MAX, 64, CONNECTIONS_MAX),
        ];
        for (open_files_max, workers, connections) in cases {
            let found = connections_per_worker(open_files_max, workers);
            assert_eq!(found, connections, "{open_files_max} files, {workers} workers");
        }
    }

    #[test]
    fn a_socket_at_any_address_is_reached_at_each_address() {
        let cases = [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "10.0.0.1:80", true),
            ("0.0.0.0:80", "10.0.0.1:81", false),
            ("127.0.0.1:80", "10.0.0.1:80", false),
        ];
        for (address, listen, reached) in cases {
            let parse = |text: &str| text.parse().unwrap();
            assert_eq!(reaches(parse(address), parse(listen)), reached, "{address} {listen}");
        }
    }
}
