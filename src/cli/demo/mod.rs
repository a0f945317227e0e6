//! `azdo-gateway demo`: shows the gateway at work on this machine, with fakes of Azure DevOps,
//! Entra and a CI.
//!
//! The gateway is the real one: it reads its configuration as ever and is reached over HTTP. The
//! demo needs no account, no file and no network.

/// Azure DevOps, Entra and the CI.
mod fake_systems;

/// Signs the service user in.
mod linking;

/// Waits until the gateway is set up at Azure DevOps.
mod startup;

/// What people do at Azure DevOps.
mod scenario;

/// The statuses that Azure DevOps has to show.
mod expected;

/// Prints what happens.
mod timeline;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use uuid::Uuid;

use crate::app::App;
use crate::ci::webhook::SigningSecret;
use crate::cli::output::say;
use crate::config::{self, Config, Environment};
use crate::secret::{RootKey, Secret};
use fake_systems::FakeSystems;
use scenario::Scenario;
use timeline::Timeline;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  azdo-gateway demo
  azdo-gateway demo --keep")]
pub(super) struct Demo {
    /// Leave everything running afterwards, and print the addresses.
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(super) async fn run(&self) -> anyhow::Result<ExitCode> {
        if std::env::var_os("AZDO_GATEWAY_LOG").is_some() {
            crate::telemetry::log();
        }
        let folder = Folder::create()?;
        let secrets = Secrets::new()?;
        let systems = FakeSystems::start(secrets.ci.expose())?;
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot bind loopback")?;
        let config = secrets.configure(&listener, &systems, &folder.0)?;
        let url = config.server.public_url.as_str().trim_end_matches('/').to_owned();
        let app = App::start_on(config, listener).await?;
        say!("gateway       {url}");
        say!("Azure DevOps  {}  (fake)", systems.organization_url());
        say!("CI            {}  (fake)\n", systems.shell.ci_url());
        linking::link(&systems, &url, &secrets.operator).await?;
        say!("Jo links {} in a browser, through a fake Entra", fake_systems::SERVICE_USER);
        let mut timeline = Timeline::begin(&systems, app.store());
        startup::until_reconciled(&mut timeline, &url, &secrets.operator).await?;
        let expected = Scenario::new(&systems, &mut timeline).play().await?;
        let are_statuses_right = expected::print_statuses(&systems, &expected);
        let are_hooks_right = expected::print_hooks(&systems);
        if self.keep {
            say!("\nOpen this in a browser: it signs you in as operator, once.");
            say!("\n  {}\n", app.one_time_sign_in()?);
            say!("Operator token, to sign in again and for the API: {}", secrets.operator.expose());
            say!("Try: curl -H 'Authorization: Bearer …' {url}/v1/runs");
            say!("and: curl {}/_fake", systems.shell.url());
            say!("Everything is left running; press Ctrl-C to stop it.");
            tokio::signal::ctrl_c().await?;
        }
        app.stop().await;
        let are_tokens_gone = expected::print_tokens(&systems);
        systems.shell.stop().await;
        let is_right = are_statuses_right && are_hooks_right && are_tokens_gone;
        Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The folder of the demo's database, deleted at the end.
struct Folder(PathBuf);

impl Folder {
    fn create() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("azdo-gateway-demo-{}", Uuid::now_v7()));
        std::fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // One that cannot be deleted stays in the temporary folder of the machine.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The secrets of one demo. The configuration reads them as if from the environment.
struct Secrets {
    root_key: Secret,
    operator: Secret,
    ci: Secret,
}

impl Secrets {
    fn new() -> anyhow::Result<Self> {
        let missing = "no random numbers are available";
        Ok(Self {
            root_key: RootKey::generate().context(missing)?.to_base64(),
            operator: RootKey::generate().context(missing)?.to_base64(),
            ci: SigningSecret::generate().context(missing)?,
        })
    }

    fn configure(
        &self,
        listener: &TcpListener,
        systems: &FakeSystems,
        folder: &Path,
    ) -> anyhow::Result<Config> {
        let address = listener.local_addr()?;
        let database = folder.join("gateway.db");
        let text = include_str!("demo.toml")
            .replace("{address}", &address.to_string())
            .replace("{database}", &database.display().to_string())
            .replace("{tenant_id}", &systems.shell.entra(|entra| entra.tenant().to_owned()))
            .replace("{client_id}", &systems.client_id)
            .replace("{authority_url}", systems.shell.url())
            .replace("{organization_url}", &systems.organization_url())
            .replace("{ci_url}", &systems.shell.ci_url());
        match config::parse("demo.toml", &text, self) {
            Ok(config) => Ok(config),
            Err(errors) => bail!("the configuration of the demo is wrong:\n{errors}"),
        }
    }
}

impl Environment for Secrets {
    fn variable(&self, name: &str) -> Option<String> {
        let secret = match name {
            "ROOT_KEY" => self.root_key.expose(),
            "OPERATOR_TOKEN" => self.operator.expose(),
            "BUILDER_SECRET" => self.ci.expose(),
            "CLIENT_SECRET" => fake_systems::CLIENT_SECRET,
            _ => return None,
        };
        Some(secret.to_owned())
    }

    fn file(&self, _: &Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}
