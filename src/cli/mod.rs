//! EDGE: the command line, one file per subcommand. Exit codes: 0 done, 1 refused or failed,
//! 2 wrong usage or configuration.

mod against;
mod change_stream;
mod check_config;
mod ci;
mod completions;
mod deliveries;
#[cfg(feature = "demo")]
mod demo;
#[cfg(test)]
mod examples_tests;
mod explain;
mod gateway;
mod healthcheck;
mod hooks;
mod init;
mod keygen;
mod link;
mod listing;
mod man;
mod migrate;
mod notify;
mod output;
mod permissions;
mod progress;
mod reload;
mod report;
mod resource;
mod runner;
mod runs;
mod serve;
mod sessions;
mod table;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{self, Config, Errors};
use crate::printable::printable_lines;

/// Makes any CI a first-class Azure DevOps check.
#[derive(Debug, Parser)]
#[command(name = "azdo-gateway", version, about, max_term_width = 100)]
#[command(after_help = "\
Examples:
  azdo-gateway init
  azdo-gateway --config gateway.toml serve
  azdo-gateway runs list --state failed")]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// The arguments of every subcommand.
#[derive(Clone, Debug, Args)]
struct Common {
    /// The configuration file [default: config/gateway.toml; of `init`: gateway.toml].
    #[arg(long, global = true, env = "AZDO_GATEWAY_CONFIG")]
    config: Option<PathBuf>,
    /// Print JSON instead of tables and text.
    #[arg(long, global = true)]
    json: bool,
    /// The running gateway to ask, instead of the one at `server.listen`.
    #[arg(long, global = true)]
    url: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask what a gateway has to know, and write its configuration with fresh secrets.
    Init(Box<init::Init>),
    /// Run the gateway.
    #[command(after_help = "\
Examples:
  azdo-gateway --config /etc/azdo-gateway/gateway.toml serve
  AZDO_GATEWAY_LOG=info,azdo_gateway=debug azdo-gateway serve")]
    Serve,
    /// Show the gateway at work on this machine: no account, no configuration.
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    /// Have the running gateway read its configuration again: it is applied whole, or refused.
    #[command(after_help = "\
Examples:
  azdo-gateway --config /etc/azdo-gateway/gateway.toml reload
  azdo-gateway reload --json")]
    Reload,
    /// Check the configuration and print everything that is wrong with it.
    #[command(after_help = "\
Examples:
  azdo-gateway --config gateway.toml check-config
  azdo-gateway check-config --json")]
    CheckConfig,
    /// Print a new root key, a new CI secret, or the address and password of a hook.
    Keygen(keygen::Keygen),
    /// Migrate the schema of the database, or move everything into another database.
    Migrate(migrate::Migrate),
    /// Show the service user of an organization, and print a link to sign one in.
    Link(link::Link),
    /// Explain what a payload would start, and why.
    Explain(explain::Explain),
    /// List, show and replay deliveries: what Azure DevOps sent, and how it was decided.
    #[command(after_help = "\
Examples:
  azdo-gateway deliveries list --outcome quarantined
  azdo-gateway deliveries show 4711")]
    #[command(subcommand)]
    Deliveries(deliveries::Deliveries),
    /// List, show, cancel and rerun runs: the executions of checks at CI systems.
    #[command(after_help = "\
Examples:
  azdo-gateway runs list --check unit-tests
  azdo-gateway runs rerun 0199a3c1-3b5e-7000-8000-000000000001")]
    #[command(subcommand)]
    Runs(runs::Runs),
    /// List, plan, apply, rotate and remove the service-hook subscriptions of the gateway.
    #[command(after_help = "\
Examples:
  azdo-gateway hooks list
  azdo-gateway hooks plan --check")]
    #[command(subcommand)]
    Hooks(hooks::Hooks),
    /// List CI systems, and check whether the token, the job and the settings of each are right.
    #[command(after_help = "\
Examples:
  azdo-gateway ci list
  azdo-gateway ci check builder")]
    #[command(subcommand)]
    Ci(ci::Ci),
    /// Check and grant the permissions that the checks need in Azure DevOps.
    #[command(after_help = "\
Examples:
  azdo-gateway permissions check my-devops-org
  azdo-gateway permissions grant my-devops-org --pat-env ADMINISTRATOR")]
    #[command(subcommand)]
    Permissions(permissions::Permissions),
    /// End sessions of people at the pages.
    #[command(after_help = "\
Examples:
  azdo-gateway sessions revoke jo@example.com")]
    #[command(subcommand)]
    Sessions(sessions::Sessions),
    /// Report on a run: for scripts that a CI executes.
    Report(report::Report),
    /// Fetch runs from a gateway and have a command execute them.
    Runner(runner::Runner),
    /// Run a command so that nothing it starts outlives it.
    #[command(hide = true)]
    Supervise(runner::Supervise),
    /// Check that the gateway is running: for container health checks.
    #[command(after_help = "\
Examples:
  azdo-gateway healthcheck
  azdo-gateway healthcheck --url http://127.0.0.1:8080")]
    Healthcheck,
    /// Print the script with which a shell completes commands and options.
    Completions(completions::Completions),
    /// Print the manual page, or write those of all commands into a folder.
    Man(man::Man),
}

impl Cli {
    /// Reads the arguments of the process, of a program of this version. Where they are wrong, or
    /// ask for help, the process ends.
    pub fn read(version: &'static str) -> Self {
        let matches = Self::command().version(version).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// Runs a subcommand. Returns the exit code of the process.
pub async fn run(cli: Cli) -> ExitCode {
    let common = cli.common;
    if let Some(why) = cli.command.without_json().filter(|_| common.json) {
        return usage(&format!("--json: {why}"));
    }
    let done = match cli.command {
        Command::Init(init) => init.run(&common).await,
        Command::Serve => serve::run(&common).await,
        #[cfg(feature = "demo")]
        Command::Demo(demo) => demo.run().await,
        Command::Reload => reload::run(&common).await,
        Command::CheckConfig => check_config::run(&common),
        Command::Keygen(keygen) => keygen.run(&common),
        Command::Migrate(migrate) => migrate.run(&common).await,
        Command::Link(link) => link.run(&common).await,
        Command::Explain(explain) => explain.run(&common).await,
        Command::Deliveries(deliveries) => deliveries.run(&common).await,
        Command::Runs(runs) => runs.run(&common).await,
        Command::Hooks(hooks) => hooks.run(&common).await,
        Command::Ci(ci) => ci.run(&common).await,
        Command::Permissions(permissions) => permissions.run(&common).await,
        Command::Sessions(sessions) => sessions.run(&common).await,
        Command::Report(report) => report.run(&common).await,
        Command::Runner(runner) => runner.run(&common).await,
        Command::Supervise(supervise) => supervise.run(),
        Command::Healthcheck => healthcheck::run(&common).await,
        Command::Completions(completions) => Ok(completions.run()),
        Command::Man(man) => man.run(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            if let Some(errors) = error.downcast_ref::<Errors>() {
                eprintln!("{errors}");
                return ExitCode::from(2);
            }
            eprintln!("error: {}", printable_lines(&format!("{error:#}")));
            if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Something is wrong with the arguments, or a setting is missing that they need: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

impl Command {
    /// Why a command has no JSON to print.
    fn without_json(&self) -> Option<&'static str> {
        match self {
            Command::Serve | Command::Runner(_) => {
                Some("it prints nothing but its log, which is JSON where no terminal shows it")
            }
            #[cfg(feature = "demo")]
            Command::Demo(_) => Some("the demo tells people what happens"),
            Command::Supervise(_) => Some("only the runner reads what it prints"),
            Command::Healthcheck => Some("it prints nothing: its exit code is the answer"),
            Command::Completions(_) => Some("a shell reads what it prints"),
            Command::Man(_) => Some("`man` reads what it prints"),
            _ => None,
        }
    }
}

impl Common {
    /// The configuration.
    fn load(&self) -> Result<Config, Errors> {
        config::load(self.config(), &config::Process)
    }

    /// The path of the configuration file.
    fn config(&self) -> &Path {
        self.given().unwrap_or(Path::new("config/gateway.toml"))
    }

    /// The same, where an option or the environment names it.
    fn given(&self) -> Option<&Path> {
        self.config.as_deref()
    }
}

/// Prints an error about the arguments. Returns the exit code for it.
fn usage(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(2)
}
