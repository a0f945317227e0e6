//! The socket that connections come in at: one that whoever started us holds, or one of our own.
//!
//! An inherited socket (`LISTEN_FDS`, as systemd has it) outlives the process: while the gateway
//! restarts, the kernel keeps whoever connects waiting instead of refusing. It must never be
//! shut down, only closed, and what nobody accepted belongs to whoever starts next.

use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::SockRef;

/// Where the gateway listens.
#[derive(Debug)]
pub struct Listening {
    pub listener: TcpListener,
    /// Somebody else holds the socket too, and hands it to whoever starts next.
    pub is_inherited: bool,
}

/// Why there is nothing to listen on, and what to do.
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
    Deaf,
}

impl Listening {
    /// On a socket of our own: connections that nobody has accepted end with it.
    pub fn own(listener: TcpListener) -> Self {
        Self { listener, is_inherited: false }
    }
}

/// The inherited socket, or one that is bound to `listen`. Takes what the environment says about
/// it away, so that it is taken once.
///
/// # Errors
/// There is no socket that could be used.
pub fn listen(listen: SocketAddr) -> Result<Listening, Error> {
    let meant_for_another = std::env::var("LISTEN_PID")
        .is_ok_and(|process| !process.is_empty() && process != std::process::id().to_string());
    let mut inherited = ListenFd::from_env();
    if inherited.len() > 1 {
        return Err(Error::TooMany(inherited.len()));
    }
    if let Some(listener) = inherited.take_tcp_listener(0).map_err(Error::Unusable)? {
        return judged(listener, listen);
    }
    // Somebody who holds the socket and names a wrong process holds the address, too.
    let hint = match meant_for_another {
        true => {
            " (LISTEN_PID names another process, so no socket was inherited: it has to be that \
             of the gateway itself, not of a shell around it)"
        }
        false => "",
    };
    let listener =
        TcpListener::bind(listen).map_err(|source| Error::Bind { listen, source, hint })?;
    Ok(Listening::own(listener))
}

/// An inherited socket, if connections can come in at it.
fn judged(listener: TcpListener, listen: SocketAddr) -> Result<Listening, Error> {
    // Accepting would fail for ever, and only the log would say so.
    if !SockRef::from(&listener).is_listener().map_err(Error::Unusable)? {
        return Err(Error::Deaf);
    }
    let address = listener.local_addr().map_err(Error::Unusable)?;
    if reaches(address, listen) {
        tracing::info!("listening on the inherited socket at {address}");
    } else {
        tracing::warn!(
            "the inherited socket is at {address}, and server.listen says {listen}: the socket is \
             used; write listen = \"{address}\", since the command line asks there"
        );
    }
    Ok(Listening { listener, is_inherited: true })
}

/// Whether whoever asks at `listen` comes to a socket at `address`.
fn reaches(address: SocketAddr, listen: SocketAddr) -> bool {
    let is_everywhere = address.ip().is_unspecified();
    address == listen || (is_everywhere && address.port() == listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_everywhere_is_reached_at_each_address() {
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
