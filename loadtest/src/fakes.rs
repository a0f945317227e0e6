//! The neighbours: a played Azure DevOps and a played Entra, in a process of their own. It must
//! never know what the gateway asks them.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::children::{Server, free_address};

/// What they call their organization.
pub(crate) const ORGANIZATION: &str = "fabrikam";
/// The path of its repository, as a project and a name.
pub(crate) const REPOSITORY: (&str, &str) = ("Fabrikam", "web");
/// Who is signed in to the browser.
pub(crate) const SERVICE_USER: &str = "svc-pat@fabrikam.example";
/// Of the app through which the service user is linked.
pub(crate) const CLIENT_SECRET: &str = "client-secret-of-the-loadtest-0000";
/// Made by hand.
pub(crate) const PAT: &str = "made-by-hand-for-the-loadtest-and-opens-nothing-else";

/// See the module.
#[derive(Debug)]
pub(crate) struct Fakes {
    /// Killed with it.
    server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) control: Caller,
}

/// An app in Entra.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
}

impl Fakes {
    /// Starts them for a gateway at `gateway`; each call to Azure DevOps takes `delay` at least.
    pub(crate) async fn start(
        program: &Path,
        folder: &Path,
        gateway: SocketAddr,
        delay: Duration,
    ) -> anyhow::Result<Self> {
        ensure!(
            program.is_file(),
            "there is no {}: build it with `cargo build --release -p fakes`, or name it with \
             --fakes",
            program.display()
        );
        let address = free_address()?;
        let back = format!("http://{gateway}/complete/azure_active_directory_service_user");
        let mut command = Command::new(program);
        command
            .args(["--port", &address.port().to_string(), "--redirect-uri", &back])
            .args(["--client-secret", CLIENT_SECRET, "--pat", PAT])
            .args(["--delay-ms", &delay.as_millis().to_string()]);
        let errors_to = File::create(folder.join("fakes.log"))?;
        let mut server = Server::start("the fakes", &command, address, false, errors_to)?;
        server.wait_until_found("/_fake").await?;
        Ok(Self { server, address, control: Caller::new(address) })
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The app through which people sign in.
    pub(crate) async fn app(&self) -> anyhow::Result<App> {
        let entra = self.control.get("/_fake/entra").await?;
        let text = |value: Option<&Value>| {
            value.and_then(Value::as_str).map(str::to_owned).context("Entra tells too little")
        };
        let clients = entra.get("clients").and_then(|clients| clients.get(0));
        Ok(App { tenant_id: text(entra.get("tenant"))?, client_id: text(clients)? })
    }

    /// Pushes to a branch; the commit.
    pub(crate) async fn push(&self, branch: &str) -> anyhow::Result<String> {
        let (project, repository) = REPOSITORY;
        let push = json!({"repository": format!("{project}/{repository}"), "branch": branch});
        let pushed = self.control.post("/_fake/push", &push).await?;
        let commit = pushed.get("commit").and_then(Value::as_str);
        commit.map(str::to_owned).context("the fakes pushed nothing")
    }
}
