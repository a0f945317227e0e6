//! The gateway as the real binary, to be killed and started again on the same address. It must
//! never be left running when a test ends.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::settings::{OPERATOR, Settings};
use super::{Api, Env, PATIENCE};

/// The binary that cargo built for this test run.
pub(crate) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_azdo-gateway"))
}

/// A running process.
pub(crate) struct Outside {
    child: Child,
    /// What the process inherits.
    socket: Option<TcpListener>,
    pub(crate) settings: Settings,
    pub(crate) url: String,
    pub(crate) api: Api,
}

impl Outside {
    /// Starts it on a free port, with the usual hooks.
    pub(crate) async fn start(env: &Env) -> Self {
        Self::start_with(env, |_| {}).await
    }

    /// Starts it with other settings, and the usual hooks.
    pub(crate) async fn start_with(env: &Env, change: impl FnOnce(&mut Settings)) -> Self {
        let gateway = Self::without_hooks(env, change).await;
        env.subscribe(&gateway.url).await;
        gateway
    }

    /// Starts it where Azure DevOps does not know of it.
    pub(crate) async fn without_hooks(env: &Env, change: impl FnOnce(&mut Settings)) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = free.local_addr().expect("it is bound").to_string();
        drop(free);
        Self::begin(env, &address, None, change).await
    }

    /// The same, on a socket that we hold and it inherits, as from systemd.
    pub(crate) async fn on_our_socket(env: &Env, change: impl FnOnce(&mut Settings)) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = socket.local_addr().expect("it is bound").to_string();
        Self::begin(env, &address, Some(socket), change).await
    }

    async fn begin(
        env: &Env,
        address: &str,
        socket: Option<TcpListener>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = env.settings(address);
        change(&mut settings);
        let url = format!("http://{address}");
        let api = Api::new(&url, OPERATOR);
        let child = spawn(&settings, socket.as_ref());
        let gateway = Self { child, socket, settings, url, api };
        gateway.until_alive().await;
        gateway
    }

    /// SIGKILL: nothing is flushed, nothing is told.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was ours");
    }

    /// Starts it again where it was.
    pub(crate) async fn restart(&mut self) {
        self.rise();
        self.until_alive().await;
    }

    /// The same, without waiting until it answers.
    pub(crate) fn rise(&mut self) {
        self.child = spawn(&self.settings, self.socket.as_ref());
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.settings.folder.join("gateway.log")).expect("it logs")
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM: it is asked to stop.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().expect("kill is there");
        assert!(told.success(), "the gateway was gone already");
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().expect("it was ours")
    }

    async fn until_alive(&self) {
        let http = reqwest::Client::new();
        let asking = async {
            let mut pace = tokio::time::interval(super::PACE);
            while http.get(format!("{}/readyz", self.url)).send().await.is_err() {
                pace.tick().await;
            }
        };
        let alive = tokio::time::timeout(PATIENCE, asking).await;
        assert!(
            alive.is_ok(),
            "the gateway does not come up; see log in {:?}",
            self.settings.folder
        );
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(settings: &Settings, socket: Option<&TcpListener>) -> Child {
    let config = settings.write();
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(settings.folder.join("gateway.log"))
        .expect("the temporary folder is writable");
    let mut command = match socket {
        None => {
            let mut command = Command::new(binary());
            command.stdin(Stdio::null());
            command
        }
        Some(socket) => {
            let socket = socket.try_clone().expect("a socket can be shared");
            inheriting(OwnedFd::from(socket))
        }
    };
    command
        .args(["serve", "--config"])
        .arg(config)
        .env_clear()
        .envs(settings.variables())
        .envs(socket.map(|_| ("LISTEN_FDS", "1")))
        .stdout(log.try_clone().expect("a file can be shared"))
        .stderr(log)
        .spawn()
        .expect("the binary starts")
}

/// The binary with this as file descriptor 3, which is where systemd puts it: the shell becomes the
/// binary, so that its number is known to be that of the process. `LISTEN_FDS` is up to the caller.
pub(crate) fn inheriting(descriptor: OwnedFd) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", r#"export LISTEN_PID=$$; exec "$0" "$@" 3<&0 </dev/null"#])
        .arg(binary())
        .stdin(Stdio::from(descriptor));
    command
}
