//! The fakes as a program, for trying a gateway by hand.
//!
//! It prints the configuration that a gateway needs, and curl commands that change the worlds. All
//! secrets are invented and valid only for this process.

use std::net::SocketAddr;

use clap::Parser;
use fakes::faults::{Action, Rule};
use fakes::shell::Shell;
use fakes::{ado, bearers, ci, entra};

/// Stand-ins for Azure DevOps, Microsoft Entra and a CI system, on one port of this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 7070)]
    port: u16,
    /// Seed that all ids follow from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// By how much the waits between delivery attempts are shorter than in Azure DevOps.
    #[arg(long, default_value_t = 1)]
    time_scale: u32,
    /// Redirect URI of the application, for people who have signed in.
    #[arg(
        long,
        default_value = "http://localhost:8080/complete/azure_active_directory_service_user"
    )]
    redirect_uri: String,
    /// Delay of each call to Azure DevOps.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Client secret of the application.
    #[arg(long, default_value = "fake-client-secret-of-the-demo")]
    client_secret: String,
    /// A personal access token that is valid from the start.
    #[arg(long, default_value = "fake-pat-of-the-demo-that-opens-nothing-else")]
    pat: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let bind = SocketAddr::from(([127, 0, 0, 1], arguments.port));
    let mut ado = sample_world(&arguments);
    if arguments.delay_ms > 0 {
        ado.faults.add(Rule::new("", "", Action::DelayMs(arguments.delay_ms)));
    }
    let mut entra = entra::World::new(arguments.seed);
    let client_id = entra.add_app();
    entra.add_secret(&client_id, &arguments.client_secret);
    entra.add_redirect_uri(&client_id, &arguments.redirect_uri);
    let mail = "svc-pat@fabrikam.example";
    bearers::add_service_user(&mut ado, &mut entra, "PAT Minter", mail);
    let ci = ci::World::new(arguments.seed);
    let shell = Shell::start_with_entra(ado, ci, entra, Some(bind))?;
    println!("{}", introduction(&shell, &arguments));
    tokio::signal::ctrl_c().await?;
    shell.stop().await;
    Ok(())
}

fn sample_world(arguments: &Arguments) -> ado::World {
    let Arguments { seed, time_scale, pat, .. } = arguments;
    let options = ado::Options { time_scale: *time_scale, ..ado::Options::loopback() };
    let mut world = ado::World::new(*seed, options);
    world.create_organization("fabrikam");
    let project = world.create_project("fabrikam", "Fabrikam");
    let repository = world.create_repository(&project, "web");
    world.push(&repository, "main", "Begin");
    let service = world.create_identity("CI Service", "svc-ci@fabrikam.example");
    let scopes = ["vso.code_write", "vso.code_status", "vso.build_execute"];
    world.add_pat(pat, &service, &scopes, i64::MAX);
    world
}

fn introduction(shell: &Shell, arguments: &Arguments) -> String {
    let Arguments { pat, client_secret, .. } = arguments;
    let url = shell.url();
    let secret = shell.ci(|ci| ci.secret().to_owned());
    let (tenant, client_id) = shell.entra(|entra| {
        (entra.tenant().to_owned(), entra.client_ids().next().unwrap_or_default().to_owned())
    });
    let json = "-H 'content-type: application/json'";
    let topic = r#"'{"repository":"Fabrikam/web","source":"topic"}'"#;
    format!(
        "Azure DevOps: {url}/fabrikam (project Fabrikam, repository web)
PAT:          {pat}
Entra:        {url}/{tenant} (signed in: svc-pat@fabrikam.example)
Client:       {client_id} with secret {client_secret}
CI trigger:   {url}/ci/start
CI secret:    {secret}

Open a pull request, push to it, look at its statuses:
  curl {json} {url}/_fake/pull-requests -d {topic}
  curl {json} -X POST {url}/_fake/pull-requests/1/push
  curl {url}/_fake/pull-requests/1/statuses
Make the next run fail, or the CI unavailable:
  curl {json} {url}/_fake/ci -d '{{\"behaviour\":\"fail\",\"next\":1}}'
  curl {json} {url}/_fake/ci -d '{{\"behaviour\":\"unavailable\"}}'
Look at the hooks and at what was asked:
  curl {url}/_fake/subscriptions
  curl {url}/_fake/notifications
  curl {url}/_fake/journal
Everything else:
  curl {url}/_fake/"
    )
}
