//! Ports of servers that a test starts again.

/// Below those that the kernel gives to outgoing connections, so that a port is still free when its
/// server comes back.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port of loopback that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let mut random = [0; 2];
    loop {
        getrandom::fill(&mut random).expect("the system has randomness");
        let port = PORTS.start + u16::from_le_bytes(random) % (PORTS.end - PORTS.start);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
