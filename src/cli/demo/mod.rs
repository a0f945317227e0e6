//! `azdo-gateway demo`: the whole main job on this machine, with a played Azure DevOps and CI.
//!
//! The gateway is the real one, configured through its real configuration and reached over HTTP;
//! only its neighbours are played. It must never need an account, a file or the network.

mod linking;
mod neighbours;
mod settling;
mod story;
mod verdict;
mod watch;

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
use neighbours::Neighbours;
use watch::Watch;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Leave everything running afterwards, and print where.
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
        let neighbours = Neighbours::start(secrets.ci.expose())?;
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot bind loopback")?;
        let config = secrets.configure(&listener, &neighbours, &folder.0)?;
        let url = config.server.public_url.as_str().trim_end_matches('/').to_owned();
        let app = App::start_on(config, listener).await?;
        say!("gateway       {url}");
        say!("Azure DevOps  {}  (played)", neighbours.organization_url());
        say!("CI            {}  (played)\n", neighbours.shell.ci_url());
        linking::link(&neighbours, &url, &secrets.operator).await?;
        say!("Jo links {} through a browser and a played Entra", neighbours::SERVICE_USER);
        let mut watch = Watch::begin();
        let place = (url.as_str(), &secrets.operator);
        settling::until_settled(&neighbours, &app, &mut watch, place).await?;
        let expected = story::tell(&neighbours, &app, &mut watch).await?;
        let is_right = verdict::print(&neighbours, &expected);
        let is_whole = verdict::print_hooks(&neighbours);
        if self.keep {
            say!("\nOperator token: {}", secrets.operator.expose());
            say!("Try: curl -H 'Authorization: Bearer …' {url}/v1/runs");
            say!("and: curl {}/_fake", neighbours.shell.url());
            say!("Everything is left running; press Ctrl-C to end it.");
            tokio::signal::ctrl_c().await?;
        }
        app.stop().await;
        let is_clean = verdict::print_tokens(&neighbours);
        neighbours.shell.stop().await;
        Ok(if is_right && is_whole && is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Where the demo's database lies, until it ends.
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
        // What is left behind in a temporary folder harms nobody.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Made up for one demo; the configuration takes them from its environment, as ever.
struct Secrets {
    root_key: Secret,
    operator: Secret,
    ci: Secret,
}

impl Secrets {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            root_key: RootKey::generate().context("no randomness")?.to_base64(),
            operator: RootKey::generate().context("no randomness")?.to_base64(),
            ci: SigningSecret::generate().context("no randomness")?,
        })
    }

    fn configure(
        &self,
        listener: &TcpListener,
        neighbours: &Neighbours,
        folder: &Path,
    ) -> anyhow::Result<Config> {
        let address = listener.local_addr()?;
        let database = folder.join("gateway.db");
        let text = include_str!("demo.toml")
            .replace("{address}", &address.to_string())
            .replace("{database}", &database.display().to_string())
            .replace("{tenant_id}", &neighbours.shell.entra(|entra| entra.tenant().to_owned()))
            .replace("{client_id}", &neighbours.client_id)
            .replace("{authority_url}", neighbours.shell.url())
            .replace("{organization_url}", &neighbours.organization_url())
            .replace("{ci_url}", &neighbours.shell.ci_url());
        match config::parse("demo.toml", &text, self) {
            Ok(config) => Ok(config),
            Err(errors) => bail!("the demo's own configuration is wrong:\n{errors}"),
        }
    }
}

impl Environment for Secrets {
    fn variable(&self, name: &str) -> Option<String> {
        let secret = match name {
            "ROOT_KEY" => self.root_key.expose(),
            "OPERATOR_TOKEN" => self.operator.expose(),
            "BUILDER_SECRET" => self.ci.expose(),
            "CLIENT_SECRET" => neighbours::CLIENT_SECRET,
            _ => return None,
        };
        Some(secret.to_owned())
    }

    fn file(&self, _: &Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}
