//! The real binary: its configuration, its secrets, its command line. It must never know the
//! gateway's code: what it does here, an operator could do.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::children::{Server, free_address};

const HOOK: &str = "loadtest";
const CONFIG: &str = "gateway.toml";
const DATABASE: &str = "gateway.db";
/// Deliveries of one page of the list.
const PAGE: usize = 500;

/// The token of an operator.
pub(crate) const OPERATOR: &str = "operator-token-of-the-loadtest";

/// What profiles vary.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) address: SocketAddr,
    pub(crate) organization: &'static str,
    pub(crate) azure_devops_url: String,
    /// The keys of `[organization.credential]`.
    pub(crate) credential: String,
    /// Further tables: organizations, checks, CI systems.
    pub(crate) more: String,
    /// Whatever secrets `credential` and `more` name.
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Setting {
    /// An organization that nobody asks for anything.
    pub(crate) fn of_nobody() -> anyhow::Result<Self> {
        Ok(Self {
            address: free_address()?,
            organization: "contoso",
            azure_devops_url: "http://127.0.0.1:9/contoso".to_owned(),
            credential: "kind = \"pat\"\ntoken = { env = \"AZDO_GATEWAY_PAT\" }\n".to_owned(),
            more: String::new(),
            environment: vec![("AZDO_GATEWAY_PAT", "not-a-token-and-never-sent".to_owned())],
        })
    }
}

/// A gateway to be run in a folder.
#[derive(Debug)]
pub(crate) struct Gateway {
    program: PathBuf,
    folder: PathBuf,
    setting: Setting,
    root_key: String,
}

/// What Azure DevOps would be told of a hook.
#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) path: String,
    pub(crate) authorization: String,
}

impl Gateway {
    /// Writes the configuration into `folder`.
    pub(crate) fn prepare(program: &Path, folder: &Path, setting: Setting) -> anyhow::Result<Self> {
        ensure!(
            program.is_file(),
            "there is no {}: build it with `cargo build --release --no-default-features --bin \
             azdo-gateway`, or name it with --gateway",
            program.display()
        );
        let database = folder.join(DATABASE);
        let Setting { address, organization, azure_devops_url, credential, more, .. } = &setting;
        let organization = organization_table(organization, azure_devops_url, credential);
        let config = format!(
            "[server]\nlisten = \"{address}\"\npublic_url = \"http://{address}\"\ndrain = \"8s\"\n\
             [storage]\nurl = \"sqlite:{}\"\n\
             [secrets]\nroot_key = {{ env = \"AZDO_GATEWAY_ROOT_KEY\" }}\n\
             [[api_token]]\nname = \"loadtest\"\nrole = \"operator\"\n\
             token = {{ env = \"AZDO_GATEWAY_OPERATOR_TOKEN\" }}\n\
             {organization}{more}",
            database.display()
        );
        std::fs::write(folder.join(CONFIG), config)?;
        let (program, folder) = (program.to_owned(), folder.to_owned());
        let mut gateway = Self { program, folder, setting, root_key: String::new() };
        gateway.root_key = gateway.ask(&["keygen"])?.trim().to_owned();
        Ok(gateway)
    }

    pub(crate) fn hook(&self) -> anyhow::Result<Hook> {
        self.hook_of(self.setting.organization)
    }

    /// Of an organization that the setting names.
    pub(crate) fn hook_of(&self, organization: &str) -> anyhow::Result<Hook> {
        let hook = format!("{organization}/{HOOK}");
        let hook = self.ask(&["keygen", "--json", "--hook", &hook])?;
        let hook: Value = serde_json::from_str(&hook).context("keygen printed no JSON")?;
        let field = |name| hook.get(name).and_then(Value::as_str).context("keygen: a field lacks");
        let path = url::Url::parse(field("url")?)?.path().to_owned();
        let pair = STANDARD.encode(format!("{}:{}", field("user")?, field("password")?));
        Ok(Hook { path, authorization: format!("Basic {pair}") })
    }

    pub(crate) fn serve(&self, pinned: bool) -> anyhow::Result<Server> {
        let log = File::create(self.log())?;
        let address = self.setting.address;
        Server::start("the gateway", &self.command(&["serve"]), address, pinned, log)
    }

    /// Adds keys to its `[storage]`, from the next start on; each ends with a line break.
    pub(crate) fn set_storage(&self, keys: &str) -> anyhow::Result<()> {
        let path = self.folder.join(CONFIG);
        let config = std::fs::read_to_string(&path)?;
        let head = "[storage]\n";
        Ok(std::fs::write(path, config.replacen(head, &format!("{head}{keys}"), 1))?)
    }

    /// The file that it keeps everything in.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.join(DATABASE)
    }

    /// Where the running gateway writes its log.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("gateway.log")
    }

    /// The newest deliveries of a stopped gateway, newest first, and at most a page of them.
    pub(crate) fn newest(&self) -> anyhow::Result<Vec<Value>> {
        let list = self.ask(&["deliveries", "list", "--json", "--limit", &PAGE.to_string()])?;
        let list: Value = serde_json::from_str(&list).context("the list is no JSON")?;
        list.get("items").and_then(Value::as_array).cloned().context("a list without items")
    }

    /// What the database takes on disk, its log included.
    pub(crate) fn bytes_on_disk(&self) -> std::io::Result<u64> {
        crate::disk::bytes_of(&self.folder, DATABASE)
    }

    fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments).output().context("cannot run the gateway")?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("azdo-gateway {} failed: {errors}", arguments.join(" "));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("AZDO_GATEWAY_CONFIG", self.folder.join(CONFIG))
            .env("AZDO_GATEWAY_ROOT_KEY", &self.root_key)
            .env("AZDO_GATEWAY_OPERATOR_TOKEN", OPERATOR)
            .envs(self.setting.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// An organization whose upkeep is off; `credential` is the keys of `[organization.credential]`.
pub(crate) fn organization_table(name: &str, azure_devops_url: &str, credential: &str) -> String {
    format!(
        "[[organization]]\nname = \"{name}\"\nazure_devops_url = \"{azure_devops_url}\"\n\
         hooks = false\ncatch_up = \"off\"\n[organization.credential]\n{credential}"
    )
}
