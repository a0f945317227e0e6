//! Stand-ins for Azure DevOps and Entra, in a process of their own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use url::{Position, Url};

use crate::gateway::operator;
use crate::http::{Client, Response};
use crate::server::{Server, free_address};

/// The organization that is there from the beginning, its project and the repository in it.
pub(crate) const ORGANIZATION: &str = "fabrikam";
pub(crate) const PROJECT: &str = "Fabrikam";
pub(crate) const REPOSITORY: &str = "web";
/// The account that is signed in to the browser.
pub(crate) const SERVICE_USER: &str = "svc-pat@fabrikam.example";
/// The secret of the app through which the service user is linked.
pub(crate) const CLIENT_SECRET: &str = "client-secret-of-the-loadtest-0000";
/// A PAT that was made by hand.
pub(crate) const PAT: &str = "made-by-hand-for-the-loadtest-and-opens-nothing-else";

/// See the module.
#[derive(Debug)]
pub(crate) struct Fakes {
    server: Server,
    pub(crate) address: SocketAddr,
    /// Asks them what they saw, and changes what they hold.
    pub(crate) control: Client,
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
        gateway: SocketAddr,
        delay: Duration,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let back = format!("http://{gateway}/complete/azure_active_directory_service_user");
        let mut command = Command::new(program);
        command
            .args(["--port", &address.port().to_string(), "--redirect-uri", &back])
            .args(["--client-secret", CLIENT_SECRET, "--pat", PAT])
            .args(["--delay-ms", &delay.as_millis().to_string()]);
        let errors_to = Stdio::inherit();
        let mut server = Server::start("the fakes", &command, address, None, errors_to)?;
        server.wait_for("/_fake").await?;
        Ok(Self { server, address, control: Client::new(address) })
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The app through which people sign in.
    pub(crate) async fn app(&self) -> anyhow::Result<App> {
        let entra = self.control.get("/_fake/entra").await?;
        let text = |pointer| {
            let value = entra.pointer(pointer).and_then(Value::as_str);
            value.map(str::to_owned).with_context(|| format!("Entra has no {pointer}"))
        };
        Ok(App { tenant_id: text("/tenant")?, client_id: text("/clients/0")? })
    }

    /// Whether a second call with the same PAT is a violation.
    pub(crate) async fn expect_single_use(&self, is_expected: bool) -> anyhow::Result<()> {
        let rules = json!({"single_use": is_expected});
        self.control.post("/_fake/pats/rules", &rules).await.map(drop)
    }
}

/// Links an organization as an operator's browser does: from the gateway to Entra and back.
pub(crate) async fn link(gateway: SocketAddr, organization: &str) -> anyhow::Result<()> {
    let begun = operator(gateway).open(&format!("/connect/{organization}")).await?;
    let authorize = redirect(&begun).context("the gateway does not begin")?;
    let cookie = begun.cookie.context("the gateway gives no cookie")?;
    let entra = authorize.socket_addrs(|| None)?.first().copied().context("Entra is nowhere")?;
    let signed_in = Client::new(entra).open(path_of(&authorize)).await?;
    let back = redirect(&signed_in).context("Entra does not lead back")?;
    let linked =
        Client::with_header(gateway, &format!("cookie: {cookie}")).open(path_of(&back)).await?;
    let text = String::from_utf8_lossy(&linked.body);
    ensure!(linked.status == 200, "nobody was linked, {}: {text}", linked.status);
    Ok(())
}

fn redirect(response: &Response) -> anyhow::Result<Url> {
    let text = String::from_utf8_lossy(&response.body);
    ensure!(response.status == 302, "answered {}: {text}", response.status);
    Ok(Url::parse(response.location.as_deref().context("a redirect to nowhere")?)?)
}

/// With its query.
fn path_of(url: &Url) -> &str {
    &url[Position::BeforePath..Position::AfterQuery]
}
