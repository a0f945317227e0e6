//! EDGE: the command line, one file per subcommand. Exit codes: 0 done, 1 refused or failed,
//! 2 usage or configuration. It must never hold a rule.

mod check_config;
mod deliveries;
#[cfg(feature = "demo")]
mod demo;
mod explain;
mod gateway;
mod healthcheck;
mod hooks;
mod keygen;
mod link;
mod listing;
mod notify;
mod output;
mod permissions;
mod runs;
mod serve;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, Errors};

/// Makes any CI a first-class Azure DevOps check.
#[derive(Debug, Parser)]
#[command(name = "azdo-gateway", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand takes.
#[derive(Clone, Debug, Args)]
struct Common {
    /// The configuration file.
    #[arg(long, global = true, env = "AZDO_GATEWAY_CONFIG", default_value = "config/gateway.toml")]
    config: PathBuf,
    /// Print JSON instead of tables.
    #[arg(long, global = true)]
    json: bool,
    /// The running gateway to ask, instead of the one at `server.listen`.
    #[arg(long, global = true)]
    url: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve,
    /// Show the whole main job on this machine: no account, no configuration.
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    /// Read the configuration and say everything that is wrong with it.
    CheckConfig,
    /// Print a new root key, a new CI secret, or the address and password of a hook.
    Keygen(keygen::Keygen),
    /// Show who the gateway is in an organization, and print a link to sign somebody in.
    Link(link::Link),
    /// Say what a payload would start, and why.
    Explain(explain::Explain),
    /// What came in, and what became of it.
    #[command(subcommand)]
    Deliveries(deliveries::Deliveries),
    /// CI executions: how they go, ending one, starting one anew.
    #[command(subcommand)]
    Runs(runs::Runs),
    /// The service-hook subscriptions: as they are, as they should be, and making them so.
    #[command(subcommand)]
    Hooks(hooks::Hooks),
    /// Whether the gateway may do in Azure DevOps what the checks need, and letting it.
    #[command(subcommand)]
    Permissions(permissions::Permissions),
    /// Ask the running gateway whether it lives: for container health checks.
    Healthcheck,
}

/// Runs the command line and says how the process is to end.
pub async fn run(cli: Cli) -> ExitCode {
    let common = cli.common;
    let done = match cli.command {
        Command::Serve => serve::run(&common).await,
        #[cfg(feature = "demo")]
        Command::Demo(demo) => demo.run().await,
        Command::CheckConfig => check_config::run(&common),
        Command::Keygen(keygen) => keygen.run(&common),
        Command::Link(link) => link.run(&common).await,
        Command::Explain(explain) => explain.run(&common).await,
        Command::Deliveries(deliveries) => deliveries.run(&common).await,
        Command::Runs(runs) => runs.run(&common).await,
        Command::Hooks(hooks) => hooks.run(&common).await,
        Command::Permissions(permissions) => permissions.run(&common).await,
        Command::Healthcheck => healthcheck::run(&common).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => match error.downcast_ref::<Errors>() {
            Some(errors) => {
                eprintln!("{errors}");
                ExitCode::from(2)
            }
            None => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

impl Common {
    /// The configuration, whole or not at all.
    fn load(&self) -> Result<Config, Errors> {
        config::load(&self.config, &config::Process)
    }
}

/// For mistakes in how a command is called.
fn usage(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(2)
}
