//! The real binary: its configuration, its secrets and its command line, used as an operator uses
//! them. It shares no code with this crate.

use std::fmt::Write;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use crate::cores;
use crate::deliveries::Hook;
use crate::http::{Client, Connection};
use crate::options::Common;
use crate::proxy::Proxy;
use crate::replicas::Replicas;
use crate::server::{Server, free_address};
use crate::store::Store;

const HOOK: &str = "loadtest";
/// How many deliveries a page of the list has at most.
const PAGE: usize = 500;

const OPERATOR_TOKEN: &str = "operator-token-of-the-loadtest";

/// What profiles configure differently.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where clients send.
    pub(crate) address: SocketAddr,
    pub(crate) organizations: Vec<&'static str>,
    /// What the organizations are below.
    pub(crate) azure_devops_url: String,
    /// The keys of each `[organization.credential]`.
    pub(crate) credential: String,
    /// The tables of checks and CI systems.
    pub(crate) checks: String,
    /// The secrets that `credential` and `checks` name.
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Settings {
    /// Organizations whose Azure DevOps is never asked for anything.
    pub(crate) fn offline(organizations: &[&'static str]) -> anyhow::Result<Self> {
        Ok(Self {
            address: free_address()?,
            organizations: organizations.to_vec(),
            azure_devops_url: "http://127.0.0.1:9".to_owned(),
            credential: "kind = \"pat\"\ntoken = { env = \"AZDO_GATEWAY_PAT\" }\n".to_owned(),
            checks: String::new(),
            environment: vec![("AZDO_GATEWAY_PAT", "not-a-token-and-never-sent".to_owned())],
        })
    }
}

/// Asks a running gateway as an operator.
pub(crate) fn operator(address: SocketAddr) -> Client {
    Client::with_header(address, &format!("authorization: Bearer {OPERATOR_TOKEN}"))
}

/// A browser in which the operator has signed in to the pages.
pub(crate) async fn signed_in(address: SocketAddr) -> anyhow::Result<Client> {
    let form = format!("token={OPERATOR_TOKEN}");
    let length = form.len();
    let request = format!(
        "POST /login HTTP/1.1\r\nhost: loadtest\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{form}"
    );
    let answer = Connection::open(address).await?.send(request.as_bytes()).await?;
    let cookie = answer.cookie.with_context(|| format!("/login answers {}", answer.status))?;
    Ok(Client::with_header(address, &format!("cookie: {cookie}")))
}

/// A configured gateway with a folder of its own, which is removed with it.
#[derive(Debug)]
pub(crate) struct Gateway {
    program: PathBuf,
    folder: TempDir,
    settings: Settings,
    pub(crate) store: Store,
    /// Where each replica listens: without a proxy, where clients send.
    listen: Vec<SocketAddr>,
    root_key: String,
}

impl Gateway {
    /// Writes the configuration.
    pub(crate) fn prepare(
        common: &Common,
        store: Store,
        settings: Settings,
    ) -> anyhow::Result<Self> {
        let (program, folder) = (common.gateway()?, common.temporary_folder()?);
        let listen = if store.system.has_proxy {
            (0..store.system.replicas).map(|_| free_address()).collect::<Result<_, _>>()?
        } else {
            vec![settings.address]
        };
        let root_key = String::new();
        let mut gateway = Self { program, folder, settings, store, listen, root_key };
        gateway.configure("")?;
        gateway.root_key = gateway.ask(&["keygen"])?.trim().to_owned();
        Ok(gateway)
    }

    /// Writes the configuration with further keys of `[storage]`, each of which ends with a line
    /// break; they hold from the next start on.
    pub(crate) fn configure(&self, storage: &str) -> anyhow::Result<()> {
        for (number, listen) in self.listen.iter().enumerate() {
            std::fs::write(self.config(number), self.configuration(*listen, storage)?)?;
        }
        Ok(())
    }

    fn configuration(&self, listen: SocketAddr, storage: &str) -> anyhow::Result<String> {
        let Settings { address, organizations, azure_devops_url, credential, checks, .. } =
            &self.settings;
        let mut config = format!(
            "[server]\nlisten = \"{listen}\"\npublic_url = \"http://{address}\"\ndrain = \"8s\"\n\
             [storage]\n{}{storage}\
             [secrets]\nroot_key = {{ env = \"AZDO_GATEWAY_ROOT_KEY\" }}\n\
             [[api_token]]\nname = \"loadtest\"\nrole = \"operator\"\n\
             token = {{ env = \"AZDO_GATEWAY_OPERATOR_TOKEN\" }}\n",
            self.store.keys(self.folder())
        );
        for name in organizations {
            // Reconcilers are off, so that nothing but the load is measured.
            write!(
                config,
                "[[organization]]\nname = \"{name}\"\n\
                 azure_devops_url = \"{azure_devops_url}/{name}\"\n\
                 hooks = false\ncatch_up = \"off\"\n[organization.credential]\n{credential}"
            )?;
        }
        config.push_str(checks);
        Ok(config)
    }

    fn config(&self, number: usize) -> PathBuf {
        self.folder().join(format!("gateway-{number}.toml"))
    }

    /// The folder of the configuration, the log and the database.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Bytes that the stored deliveries take on the disk.
    pub(crate) fn stored_bytes(&self) -> anyhow::Result<u64> {
        self.store.bytes(self.folder())
    }

    /// The hook of each organization.
    pub(crate) fn hooks(&self) -> anyhow::Result<Vec<Hook>> {
        self.settings.organizations.iter().map(|organization| self.hook(organization)).collect()
    }

    fn hook(&self, organization: &str) -> anyhow::Result<Hook> {
        let hook = format!("{organization}/{HOOK}");
        let hook = self.ask(&["keygen", "--json", "--any-project", "--hook", &hook])?;
        let hook: Value = serde_json::from_str(&hook).context("keygen printed no JSON")?;
        let field = |name| hook.get(name).and_then(Value::as_str).context("keygen: no such field");
        let path = url::Url::parse(field("url")?)?.path().to_owned();
        let pair = STANDARD.encode(format!("{}:{}", field("user")?, field("password")?));
        Ok(Hook { path, authorization: format!("Basic {pair}") })
    }

    /// Starts one replica without waiting until it answers; on a core of its own if `pinned`.
    pub(crate) fn start(&self, number: usize, pinned: bool) -> anyhow::Result<Server> {
        let log = File::options().create(true).append(true).open(self.log(number))?.into();
        let address = *self.listen.get(number).context("there are fewer replicas")?;
        let (command, cores) =
            (self.command(number, &["serve"]), pinned.then(|| cores::of_replica(number)));
        Server::start("the gateway", &command, address, cores, log)
    }

    /// Starts all replicas, and tells how long it took until the last one answered.
    pub(crate) async fn serve(&self, pinned: bool) -> anyhow::Result<(Replicas, Duration)> {
        let begun = Instant::now();
        let numbers = 0..self.listen.len();
        let all = numbers.map(|number| self.start(number, pinned)).collect::<Result<_, _>>()?;
        let (address, listen) = (self.settings.address, self.listen.clone());
        let proxy = self.store.system.has_proxy;
        let proxy = proxy.then(|| Proxy::start(address, listen, pinned)).transpose()?;
        let mut replicas = Replicas { address, all, proxy };
        for server in &mut replicas.all {
            server.wait_for("/livez").await.with_context(|| self.last_log_line())?;
        }
        Ok((replicas, begun.elapsed()))
    }

    /// The last line of each log, which says why a process ended.
    pub(crate) fn last_log_line(&self) -> String {
        let last = |number| {
            let log = std::fs::read_to_string(self.log(number)).unwrap_or_default();
            log.trim_end().lines().next_back().unwrap_or("nothing").to_owned()
        };
        let last: Vec<String> = (0..self.listen.len()).map(last).collect();
        format!("the last line of the gateway's log: {}", last.join("; of the next one: "))
    }

    fn log(&self, number: usize) -> PathBuf {
        self.folder().join(format!("gateway-{number}.log"))
    }

    /// The newest deliveries of a stopped gateway, newest first, and at most a page of them.
    pub(crate) fn newest_deliveries(&self) -> anyhow::Result<Vec<Value>> {
        let list = self.ask(&["deliveries", "list", "--json", "--limit", &PAGE.to_string()])?;
        let list: Value = serde_json::from_str(&list).context("the list is no JSON")?;
        list.get("items").and_then(Value::as_array).cloned().context("a list without items")
    }

    fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(0, arguments).output().context("cannot run the gateway")?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("azdo-gateway {} failed: {errors}", arguments.join(" "));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(&self, number: usize, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("AZDO_GATEWAY_CONFIG", self.config(number))
            .env("AZDO_GATEWAY_ROOT_KEY", &self.root_key)
            .env("AZDO_GATEWAY_OPERATOR_TOKEN", OPERATOR_TOKEN)
            .envs(self.settings.environment.iter().map(|(name, value)| (name, value)))
            .envs(self.store.secret());
        command
    }
}
