//! A cluster of one test, which syncs as in production and may be stopped, paused, replaced by its
//! standby, and broken.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use super::database::Database;
use super::folder::{Folder, random_name, succeed};
use super::psql::Server;
use super::tls;
use crate::harness::WAIT_MAX;
use crate::harness::ports::free_port;

/// The name under which a standby receives from its primary.
const STANDBY: &str = "standby";

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Transactions are rolled back, clients learn of it, all is written.
    Fast,
    /// As in a crash: the next start recovers.
    Immediate,
}

/// A running cluster; it ends with the test.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: Folder,
    /// Its superuser.
    server: Server,
}

impl Cluster {
    /// A cluster without TLS.
    pub(crate) fn begin() -> Self {
        Self::begin_with(|_| String::new())
    }

    /// A cluster that speaks TLS, with a certificate for `localhost` and 127.0.0.1 of an authority
    /// that is in `ca_file`.
    pub(crate) fn with_tls() -> Self {
        Self::begin_with(|folder| {
            tls::create_certificates(folder);
            tls::settings(folder)
        })
    }

    /// A cluster with further lines of its configuration.
    fn begin_with(configure: impl FnOnce(&Folder) -> String) -> Self {
        let folder = Folder::new();
        let port = free_port();
        let server = Server {
            address: format!("127.0.0.1:{port}"),
            user: "postgres".to_owned(),
            password: random_name(""),
        };
        folder.create_cluster(&server.password);
        let further = configure(&folder);
        let cluster = Self { folder, server };
        cluster.configure(port, &further);
        cluster.start();
        cluster
    }

    /// Later lines of the file win over earlier ones.
    fn configure(&self, port: u16, further: &str) {
        let path = self.folder.join("data/postgresql.conf");
        let before = std::fs::read_to_string(&path).expect("the cluster is created");
        let folder = self.folder.path().display();
        let after = format!(
            "{before}\nlisten_addresses = '127.0.0.1'\nport = {port}\n\
             unix_socket_directories = '{folder}'\nshared_buffers = 32MB\n{further}"
        );
        std::fs::write(&path, after).expect("the file is writable");
    }

    /// Its superuser.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.server.address
    }

    /// The authority that signed the server's certificate, as PEM.
    pub(crate) fn ca_file(&self) -> PathBuf {
        tls::ca_file(&self.folder)
    }

    /// An empty database of this cluster.
    pub(crate) fn database(&self) -> Database {
        Database::create_on(&self.server, None)
    }

    /// What statements of the superuser print, which have to succeed.
    #[track_caller]
    pub(crate) fn sql(&self, database: &str, text: &str) -> String {
        self.server.sql(database, text)
    }

    /// Starts the server and waits until it takes connections.
    pub(crate) fn start(&self) {
        let log = self.folder.join("log");
        self.pg_ctl(&["start", "--log", log.to_str().expect("it is UTF-8")]);
    }

    /// Stops the server and waits for its end.
    pub(crate) fn stop(&self, how: Stop) {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        self.pg_ctl(&["stop", "--mode", mode]);
    }

    pub(crate) fn restart(&self) {
        self.stop(Stop::Fast);
        self.start();
    }

    /// Makes a standby the primary, and waits until it takes writes.
    pub(crate) fn promote(&self) {
        self.pg_ctl(&["promote"]);
    }

    #[track_caller]
    fn pg_ctl(&self, arguments: &[&str]) {
        let mut command = self.folder.command("pg_ctl");
        command.args(arguments).args(["--wait", "--silent", "--timeout=30", "--pgdata"]);
        let output = command.arg(self.folder.join("data")).output().expect("Python is there");
        if !output.status.success() {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            panic!("cannot {arguments:?}: {}\n{log}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// Stops every process of the server where it is: nothing answers, no connection is closed.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let data = self.folder.join("data");
        let processes: Vec<String> = std::fs::read_dir("/proc")
            .expect("this is Linux")
            .filter_map(Result::ok)
            // Every process of a server works in the folder of its cluster.
            .filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|at| at == data))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        assert!(!processes.is_empty(), "the server does not run");
        let sent = Command::new("kill").arg(signal).args(&processes).output();
        succeed("send a signal", &sent.expect("kill is there"));
    }

    /// Changes a setting that needs no restart, and waits until new connections have it.
    pub(crate) fn set(&self, name: &str, value: &str) {
        let text = format!("ALTER SYSTEM SET {name} = '{value}';\nSELECT pg_reload_conf();\n");
        // Also where the server takes no writes otherwise, to change that.
        self.sql("postgres", &format!("SET default_transaction_read_only = off;\n{text}"));
        self.until(&format!("SELECT current_setting('{name}')"), value);
    }

    /// Waits until a statement prints this.
    #[track_caller]
    pub(crate) fn until(&self, text: &str, wanted: &str) {
        let begun = Instant::now();
        loop {
            let printed = self.server.try_sql("postgres", text);
            if printed.as_deref() == Ok(wanted) {
                return;
            }
            assert!(begun.elapsed() < WAIT_MAX, "{text} printed {printed:?} and not {wanted}");
        }
    }

    /// A standby that has every commit before its client has the answer. The server waits for it
    /// from now on.
    pub(crate) fn standby(&self) -> Self {
        let folder = Folder::new();
        let port = free_port();
        let (host, own_port) = self.address().split_once(':').expect("it has a port");
        let from = format!("host={host} port={own_port} user=postgres application_name={STANDBY}");
        let output = folder
            .command("pg_basebackup")
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--dbname", &from])
            .arg("--pgdata")
            .arg(folder.join("data"))
            .env("PGPASSWORD", &self.server.password)
            .output()
            .expect("Python is there");
        succeed("copy the cluster", &output);
        let address = format!("127.0.0.1:{port}");
        let standby = Self { folder, server: Server { address, ..self.server.clone() } };
        standby.configure(port, "");
        standby.start();
        self.set("synchronous_standby_names", STANDBY);
        self.until("SELECT sync_state FROM pg_stat_replication", "sync");
        standby
    }

    /// A part of the server's disk that a test can fill.
    pub(crate) fn small_disk(&self) -> super::SmallDisk {
        super::small_disk::mount(&self.folder, &self.server)
    }

    /// Everything that the server has logged.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.join("log")).expect("the server logs");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
