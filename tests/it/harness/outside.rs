//! The gateway as the real binary, to be killed and started again on the same address. It must
//! never be left running when a test ends.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::settings::{OPERATOR, Settings};
use super::{Api, PATIENCE, Town};

/// The binary that cargo built for this test run.
pub(crate) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_azdo-gateway"))
}

/// A running process.
pub(crate) struct Outside {
    child: Child,
    pub(crate) settings: Settings,
    pub(crate) url: String,
    pub(crate) api: Api,
}

impl Outside {
    /// Starts it on a free port, with the usual hooks.
    pub(crate) async fn start(town: &Town) -> Self {
        Self::start_with(town, |_| {}).await
    }

    /// Starts it with other settings, and the usual hooks.
    pub(crate) async fn start_with(town: &Town, change: impl FnOnce(&mut Settings)) -> Self {
        let gateway = Self::without_hooks(town, change).await;
        town.subscribe(&gateway.url).await;
        gateway
    }

    /// Starts it where Azure DevOps does not know of it.
    pub(crate) async fn without_hooks(town: &Town, change: impl FnOnce(&mut Settings)) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = free.local_addr().expect("it is bound").to_string();
        drop(free);
        let mut settings = town.settings(&address);
        change(&mut settings);
        let url = format!("http://{address}");
        let api = Api::new(&url, OPERATOR);
        let child = spawn(&settings);
        let gateway = Self { child, settings, url, api };
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
        self.child = spawn(&self.settings);
        self.until_alive().await;
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

fn spawn(settings: &Settings) -> Child {
    let config = settings.write();
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(settings.folder.join("gateway.log"))
        .expect("the temporary folder is writable");
    Command::new(binary())
        .args(["serve", "--config"])
        .arg(config)
        .env_clear()
        .envs(settings.variables())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be shared"))
        .stderr(log)
        .spawn()
        .expect("the binary starts")
}
