//! Notifies the supervisor of the process (`NOTIFY_SOCKET`, as with systemd) when the gateway is
//! ready and when it stops, so that units ordered after it wait until it accepts deliveries.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The gateway accepts deliveries.
pub(super) const READY: &str = "READY=1\nSTATUS=accepting deliveries";
/// The gateway puts another configuration into force.
pub(super) const RELOADING: &str = "STATUS=reading the configuration again";
/// The gateway was asked to stop.
pub(super) const STOPPING: &str = "STOPPING=1\nSTATUS=finishing what was accepted";

/// Sends a state to the supervisor, if there is one. A failure is only logged.
pub(super) fn notify(state: &str) {
    let Ok(name) = std::env::var("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&name, state) {
        tracing::warn!("cannot notify the supervisor at {name} (NOTIFY_SOCKET): {error}");
    }
}

fn send(name: &str, state: &str) -> std::io::Result<()> {
    // An abstract name begins with a zero byte, written as "@".
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receives_at(address: &SocketAddr, name: &str) {
        let supervisor = UnixDatagram::bind_addr(address).unwrap();
        send(name, READY).unwrap();
        let mut received = [0; 64];
        let bytes = supervisor.recv(&mut received).unwrap();
        assert_eq!(&received[..bytes], READY.as_bytes());
    }

    #[test]
    fn notifies_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        receives_at(&SocketAddr::from_pathname(&path).unwrap(), path.to_str().unwrap());
        let name = format!("azdo-gateway-{}", std::process::id());
        receives_at(&SocketAddr::from_abstract_name(&name).unwrap(), &format!("@{name}"));
        assert!(send(path.with_extension("gone").to_str().unwrap(), READY).is_err());
    }
}
