//! Tells whoever supervises the process that it is ready, and that it stops (`NOTIFY_SOCKET`, as
//! systemd has it): then units that are ordered after it wait until it takes deliveries. It must
//! never fail anything: where nobody listens, nothing is said.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// It takes deliveries.
pub(super) const READY: &str = "READY=1\nSTATUS=taking deliveries";
/// It was asked to stop.
pub(super) const STOPPING: &str = "STOPPING=1\nSTATUS=finishing what was accepted";

/// Tells it, if anybody asked to be told.
pub(super) fn notify(state: &str) {
    let Ok(name) = std::env::var("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&name, state) {
        tracing::warn!("the supervisor at {name} (NOTIFY_SOCKET) cannot be told: {error}");
    }
}

fn send(name: &str, state: &str) -> std::io::Result<()> {
    // "@" stands for the zero byte with which abstract names begin.
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard_at(address: &SocketAddr, name: &str) {
        let supervisor = UnixDatagram::bind_addr(address).unwrap();
        send(name, READY).unwrap();
        let mut heard = [0; 64];
        let bytes = supervisor.recv(&mut heard).unwrap();
        assert_eq!(&heard[..bytes], READY.as_bytes());
    }

    #[test]
    fn a_supervisor_hears_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        heard_at(&SocketAddr::from_pathname(&path).unwrap(), path.to_str().unwrap());
        let name = format!("azdo-gateway-{}", std::process::id());
        heard_at(&SocketAddr::from_abstract_name(&name).unwrap(), &format!("@{name}"));
        assert!(send(path.with_extension("gone").to_str().unwrap(), READY).is_err());
    }
}
