//! The gateway as the real binary, to be killed and started again on the same address. The process
//! is killed when the test drops it.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use reqwest::StatusCode;

use super::ports::free_port;
use super::settings::{OPERATOR, Settings};
use super::{Api, Env, WAIT_MAX};

/// The binary that cargo built for this test run.
pub(crate) fn binary_path() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_azdo-gateway"))
}

/// A running process.
pub(crate) struct Binary {
    child: Child,
    /// The socket that the process inherits.
    socket: Option<TcpListener>,
    pub(crate) settings: Settings,
    pub(crate) url: String,
    pub(crate) api: Api,
}

impl Binary {
    /// Starts the binary on a free port, with the usual hooks.
    pub(crate) async fn start(env: &Env) -> Self {
        Self::start_with(env, |_| {}).await
    }

    /// Starts the binary with other settings, and the usual hooks.
    pub(crate) async fn start_with(env: &Env, change: impl FnOnce(&mut Settings)) -> Self {
        let gateway = Self::without_hooks(env, change).await;
        env.subscribe(&gateway.url).await;
        gateway
    }

    /// Starts the binary without any hooks at Azure DevOps.
    pub(crate) async fn without_hooks(env: &Env, change: impl FnOnce(&mut Settings)) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        Self::begin(env, &address, None, change).await
    }

    /// Starts the binary without hooks, on a socket that the test holds and the process inherits
    /// (as with systemd).
    pub(crate) async fn with_inherited_socket(
        env: &Env,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
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
        let gateway = Self::with_socket(settings, socket, address);
        gateway.until_alive().await;
        gateway
    }

    /// Starts the binary with these settings, without waiting until it answers.
    pub(crate) fn spawn(settings: Settings) -> Self {
        let address = settings.listen.clone();
        Self::with_socket(settings, None, &address)
    }

    fn with_socket(settings: Settings, socket: Option<TcpListener>, address: &str) -> Self {
        let url = format!("http://{address}");
        let api = Api::new(&url, OPERATOR);
        let child = spawn(&settings, socket.as_ref());
        Self { child, socket, settings, url, api }
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is a child of this process");
    }

    /// Starts the binary again with the same settings, and waits until it answers.
    pub(crate) async fn restart(&mut self) {
        self.spawn_again();
        self.until_alive().await;
    }

    /// Starts the binary again without waiting until it answers.
    pub(crate) fn spawn_again(&mut self) {
        self.child = spawn(&self.settings, self.socket.as_ref());
    }

    /// Everything that the process has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.settings.log()).expect("it logs")
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        self.signal("-HUP");
    }

    /// Stops the process where it is: it answers nothing and closes nothing.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets a paused process go on.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().expect("kill is there");
        assert!(sent.success(), "the gateway has ended already");
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().expect("it is a child of this process")
    }

    /// Waits until it answers, ready or not.
    pub(crate) async fn until_alive(&self) {
        self.until_answering("does not answer", |_| true).await;
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn until_ready(&self) {
        self.until_answering("is not ready", |status| status.is_success()).await;
    }

    async fn until_answering(&self, otherwise: &str, wanted: impl Fn(StatusCode) -> bool) {
        let http = reqwest::Client::new();
        let polling = async {
            let mut interval = tokio::time::interval(super::POLL_INTERVAL);
            loop {
                let answer = http.get(format!("{}/readyz", self.url)).send().await;
                if answer.is_ok_and(|answer| wanted(answer.status())) {
                    return;
                }
                interval.tick().await;
            }
        };
        let answered = tokio::time::timeout(WAIT_MAX, polling).await;
        assert!(answered.is_ok(), "the gateway {otherwise}; it has logged:\n{}", self.log());
    }
}

impl Drop for Binary {
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
        .open(settings.log())
        .expect("the temporary folder is writable");
    let mut command = match socket {
        None => {
            let binary = binary_path();
            let mut words = settings.launcher.iter().map(AsRef::as_ref).chain([binary.as_os_str()]);
            let mut command = Command::new(words.next().expect("the binary is one of them"));
            command.args(words).stdin(Stdio::null());
            command
        }
        Some(socket) => {
            let socket = socket.try_clone().expect("a socket can be shared");
            inheriting_command(OwnedFd::from(socket))
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

/// A command that runs the binary with `descriptor` as file descriptor 3, where systemd puts
/// inherited sockets. A shell sets `LISTEN_PID` to its own process id and then executes the binary
/// in its place. `LISTEN_FDS` is up to the caller.
pub(crate) fn inheriting_command(descriptor: OwnedFd) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", r#"export LISTEN_PID=$$; exec "$0" "$@" 3<&0 </dev/null"#])
        .arg(binary_path())
        .stdin(Stdio::from(descriptor));
    command
}
