//! PgBouncer in front of a server, in transaction mode and otherwise as it comes.

use std::process::{Child, Stdio};
use std::time::Instant;

use super::folder::Folder;
use super::psql::Server;
use crate::harness::WAIT_MAX;
use crate::harness::ports::free_port;

/// A running PgBouncer; it ends with the test.
#[derive(Debug)]
pub(crate) struct PgBouncer {
    address: String,
    process: Child,
    folder: Folder,
}

impl PgBouncer {
    /// In front of a server, of which it has the superuser: it asks the server for the secret of
    /// every role that connects.
    pub(crate) fn before(server: &Server) -> Self {
        let folder = Folder::new();
        let port = free_port();
        let (host, server_port) = server.address.split_once(':').expect("it has a port");
        let at = folder.path().display();
        let config = format!(
            "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir = {at}\n\
             auth_type = scram-sha-256\nauth_file = {at}/users\nauth_user = {user}\n\
             pool_mode = transaction\nlogfile = {at}/pgbouncer.log\n",
            user = server.user,
        );
        let users = format!("\"{}\" \"{}\"\n", server.user, server.password);
        for (name, text) in [("pgbouncer.ini", config), ("users", users)] {
            std::fs::write(folder.join(name), text).expect("the folder is writable");
            folder.give_to_server(&folder.join(name));
        }
        let process = folder
            .command("pgbouncer")
            .args(["--quiet", "pgbouncer.ini"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python is there");
        let address = format!("127.0.0.1:{port}");
        let mut started = Self { address, process, folder };
        started.until_ready(server);
        started
    }

    fn until_ready(&mut self, server: &Server) {
        let begun = Instant::now();
        let through = Server { address: self.address.clone(), ..server.clone() };
        while let Err(error) = through.try_sql("postgres", "SELECT 1") {
            let ended = self.process.try_wait().expect("it is a child of this process");
            let fails = ended.is_some() || begun.elapsed() > WAIT_MAX;
            assert!(!fails, "PgBouncer does not start: {error}\n{}", self.log());
        }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("pgbouncer.log")).unwrap_or_default()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
