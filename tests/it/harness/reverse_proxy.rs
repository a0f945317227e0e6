//! nginx, HAProxy or Caddy, each with its file in `config/proxy`, before replicas on loopback.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::ports::free_port;
use super::{WAIT_MAX, certificates};

/// The replicas in the files of `config/proxy`.
const REPLICAS: [&str; 3] = ["gateway-1:8080", "gateway-2:8080", "gateway-3:8080"];
/// Set where the programs cannot be installed.
const WITHOUT: &str = "AZDO_GATEWAY_WITHOUT_PROXIES";

/// Which program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Nginx,
    HaProxy,
    Caddy,
}

impl Program {
    /// Whether to try it: false where somebody has said that it cannot be installed.
    pub(crate) fn is_there(self) -> bool {
        if self.path().is_some() {
            return true;
        }
        let name = self.name();
        assert!(
            std::env::var_os(WITHOUT).is_some(),
            "{name} is not installed: apt-get install {name} (tests/run does it, and leaves it \
             stopped), or set {WITHOUT}=1 to skip this"
        );
        println!("{name} is not tried, since {WITHOUT} is set");
        false
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
            Self::Caddy => "caddy",
        }
    }

    /// Debian has servers where only root looks for them.
    fn path(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
        folders.map(|folder| folder.join(self.name())).find(|file| file.is_file())
    }

    /// What each file of ours is changed into: addresses, and where certificates are.
    fn edits(self, folder: &Path, port: u16, tls_port: u16) -> Vec<(&'static str, String)> {
        let at = folder.display();
        match self {
            Self::Nginx => vec![
                (
                    "listen 443 ssl http2;",
                    format!("listen 127.0.0.1:{port}; listen 127.0.0.1:{tls_port} ssl http2;"),
                ),
                ("/etc/ssl/gateway.pem", format!("{at}/server.pem")),
                ("/etc/ssl/gateway.key", format!("{at}/server.key")),
            ],
            Self::HaProxy => vec![
                (
                    "bind :443 ssl",
                    format!("bind 127.0.0.1:{port}\n    bind 127.0.0.1:{tls_port} ssl"),
                ),
                ("/etc/ssl/gateway-with-key.pem", format!("{at}/both.pem")),
            ],
            // What is for one host is for two addresses then.
            Self::Caddy => vec![(
                "\ngateway.example.com {",
                "\n{\n\tadmin off\n\tauto_https off\n}\n(gateway) {".to_owned(),
            )],
        }
    }

    /// Writes the configuration. Returns the arguments.
    fn configure(self, folder: &Path, text: &str, port: u16, tls_port: u16) -> Vec<String> {
        let at = folder.display();
        let file = folder.join("configuration");
        let (text, arguments) = match self {
            // Our file is for /etc/nginx/conf.d.
            Self::Nginx => {
                let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
                let temporary =
                    temporary.map(|name| format!("{name}_temp_path {at}/{name};\n")).concat();
                let main = format!(
                    "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log stderr;\n\
                     events {{}}\nhttp {{\naccess_log off;\n{temporary}{text}}}\n"
                );
                (main, vec!["-e".to_owned(), "stderr".to_owned(), "-c".to_owned()])
            }
            Self::HaProxy => (text.to_owned(), vec!["-db".to_owned(), "-f".to_owned()]),
            Self::Caddy => {
                let sites = format!(
                    "http://127.0.0.1:{port} {{\n\timport gateway\n}}\n\
                     https://127.0.0.1:{tls_port} {{\n\
                     \ttls {at}/server.pem {at}/server.key\n\timport gateway\n}}\n"
                );
                let arguments = ["run", "--adapter", "caddyfile", "--config"];
                (format!("{text}{sites}"), arguments.map(str::to_owned).into())
            }
        };
        std::fs::write(&file, text).expect("the folder is writable");
        [arguments, vec![file.display().to_string()]].concat()
    }

    fn file(self) -> &'static str {
        match self {
            Self::Nginx => "nginx.conf",
            Self::HaProxy => "haproxy.cfg",
            Self::Caddy => "Caddyfile",
        }
    }
}

/// A running reverse proxy; it ends with the test.
#[derive(Debug)]
pub(crate) struct ReverseProxy {
    program: Program,
    process: Child,
    pub(crate) url: String,
    /// The same over TLS, with a certificate that `authority` has signed.
    pub(crate) tls_url: String,
    pub(crate) authority: String,
    folder: tempfile::TempDir,
}

impl ReverseProxy {
    /// At a port of loopback, in front of these replicas, each with host and port. Where they are
    /// fewer than in our file, nobody listens at the others.
    pub(crate) fn start(program: Program, port: u16, replicas: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        certificates::create(folder.path());
        let read = |name: &str| {
            std::fs::read_to_string(folder.path().join(name)).expect("openssl has written it")
        };
        let both = format!("{}{}", read("server.pem"), read("server.key"));
        std::fs::write(folder.path().join("both.pem"), both).expect("the folder is writable");
        let tls_port = free_port();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/proxy").join(program.file());
        let mut text = std::fs::read_to_string(path).expect("it is part of the repository");
        let mut edits = program.edits(folder.path(), port, tls_port);
        let mut replicas = replicas.iter();
        edits.extend(REPLICAS.map(|name| {
            let replica = replicas.next().map(|replica| (*replica).to_owned());
            (name, replica.unwrap_or_else(|| format!("127.0.0.1:{}", free_port())))
        }));
        for (from, to) in edits {
            assert!(text.contains(from), "{from:?} is not in the file any more");
            text = text.replace(from, &to);
        }
        let log = std::fs::File::create(folder.path().join("log")).expect("it is writable");
        let process = Command::new(program.path().expect("it is installed"))
            .args(program.configure(folder.path(), &text, port, tls_port))
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("it starts");
        let mut started = Self {
            program,
            process,
            url: format!("http://127.0.0.1:{port}"),
            tls_url: format!("https://127.0.0.1:{tls_port}"),
            authority: read("authority.pem"),
            folder,
        };
        started.until_listening([port, tls_port]);
        started
    }

    fn until_listening(&mut self, ports: [u16; 2]) {
        let begun = Instant::now();
        while ports.iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()) {
            let ended = self.process.try_wait().expect("it is a child of this process");
            let fails = ended.is_some() || begun.elapsed() > WAIT_MAX;
            assert!(!fails, "it does not start:\n{}", self.log());
        }
    }

    /// Waits until it passes requests to that replica, counted from 1, which is ready. Only HAProxy
    /// leaves one out that was not, and logs it.
    pub(crate) async fn until_used(&self, number: usize) {
        let state = format!("Server repeatable/gateway-{number} is ");
        let is_down = || {
            let log = self.log();
            log.rsplit_once(&state).is_some_and(|(_, last)| last.starts_with("DOWN"))
        };
        let polling = async {
            let mut interval = tokio::time::interval(super::POLL_INTERVAL);
            while is_down() {
                interval.tick().await;
            }
        };
        let used = tokio::time::timeout(WAIT_MAX, polling).await;
        assert!(used.is_ok(), "gateway-{number} is left out");
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for ReverseProxy {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        if std::thread::panicking() {
            println!("{:?} has logged:\n{}", self.program, self.log());
        }
    }
}
