//! `azdo-gateway explain`: explains, without a running gateway, what a payload would start; with
//! `--against`, why each check runs on a pull request, as the running gateway sees it.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::against::Against;
use super::gateway::Gateway;
use super::table;
use super::{Common, usage};
use crate::ado::hooks::{Delivered, read};
use crate::app;
use crate::ci::Trigger;
use crate::cli::output::say;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::decision::Decision;
use crate::domain::fact::Fact;
use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::pipeline::decide;
use crate::printable::printable;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  azdo-gateway explain payload.json
  azdo-gateway explain --delivery 4711
  azdo-gateway explain --against my-devops-org/Fabrikam/web/12")]
pub(super) struct Explain {
    /// A payload of Azure DevOps as JSON; `-` is standard input.
    #[arg(required_unless_present_any = ["delivery", "against"])]
    file: Option<PathBuf>,
    /// The number of a stored delivery, instead of a file.
    #[arg(long, value_name = "ID", conflicts_with = "file")]
    delivery: Option<String>,
    /// A pull request instead of a payload: its address, or ORGANIZATION/PROJECT/REPOSITORY/ID.
    /// The running gateway asks Azure DevOps and says for each check why it runs or does not;
    /// nothing is started.
    #[arg(long, value_name = "PULL_REQUEST")]
    #[arg(conflicts_with_all = ["file", "delivery", "organization"])]
    against: Option<String>,
    /// The organization that sent it; needed where several are configured.
    #[arg(long)]
    organization: Option<String>,
}

impl Explain {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        let config = common.load()?;
        if let Some(text) = &self.against {
            let configured: Vec<_> = config.organizations.iter().map(|one| &one.ado).collect();
            return match Against::parse(text, &configured) {
                Ok(against) => {
                    Gateway::print(common, Method::GET, &against.path(), print_findings).await
                }
                Err(reason) => Ok(usage(&reason)),
            };
        }
        let (body, organization) = match (&self.file, &self.delivery) {
            (_, Some(id)) => {
                let path = format!("/v1/deliveries/{id}");
                let shown = Gateway::with(common, async |gateway| gateway.get(&path).await).await?;
                let organization =
                    shown.get("organization").and_then(Value::as_str).map(str::to_owned);
                let body = shown.get("body").map(Value::to_string).unwrap_or_default();
                (body.into_bytes(), organization)
            }
            (Some(file), None) => (read_bytes(file)?, None),
            (None, None) => return Ok(usage("give a FILE, or --delivery ID")),
        };
        let organization = match organization.map_or_else(|| self.organization(&config), Ok) {
            Ok(organization) => organization,
            Err(reason) => return Ok(usage(&reason)),
        };
        let now = Clock::system().now();
        let (delivered, is_sample) = read_as_event(&body);
        let decision = decide::explain(&config.checks, &organization, &delivered, now);
        let requests = requests(&config, &decision.planned, now)?;
        if common.json {
            say!("{}", as_json(&delivered, &decision, &requests, is_sample));
        } else {
            print(&delivered, &decision, &requests, is_sample);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The organization as configured. A misspelled one is refused, because it would match no
    /// check.
    fn organization(&self, config: &Config) -> Result<String, String> {
        let mut names = config.organizations.iter().map(|known| &known.ado.name);
        let found = match (&self.organization, config.organizations.as_slice()) {
            (Some(given), _) => names
                .find(|name| name.eq_ignore_ascii_case(given))
                .ok_or_else(|| format!("there is no organization {given} in the configuration")),
            (None, [only]) => Ok(&only.ado.name),
            (None, _) => {
                Err("there are several organizations: say which with --organization".into())
            }
        };
        found.cloned()
    }
}

/// The request that would start each run, with secrets masked; or why there is none.
fn requests(config: &Config, planned: &[Run], now: Timestamp) -> anyhow::Result<Vec<String>> {
    let systems = app::systems(config, &Clock::system(), None)?;
    let request = |run: &Run| {
        let organization = config.organizations.iter().find(|one| one.ado.name == run.organization);
        let clone_url = organization.map(|one| one.ado.clone_url(&run.repository).to_string());
        let public_url = &config.server.public_url;
        let clone_url = clone_url.unwrap_or_default();
        let trigger = Trigger::new(run, clone_url, public_url, &config.secrets, now);
        systems.explain(&run.ci, &trigger).unwrap_or_else(|error| format!("none: {error}"))
    };
    Ok(planned.iter().map(request).collect())
}

fn read_bytes(file: &PathBuf) -> anyhow::Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
        return Ok(bytes);
    }
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Reads a payload. A sample of Azure DevOps starts nothing; without its ids it is read as a real
/// event, so that a configuration can be tried out with samples. Returns whether it was a sample.
fn read_as_event(body: &[u8]) -> (Delivered, bool) {
    let delivered = read(body);
    if delivered.fact != Fact::Test {
        return (delivered, false);
    }
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) else {
        return (delivered, true);
    };
    fields.remove("id");
    fields.remove("subscriptionId");
    (read(Value::Object(fields).to_string().as_bytes()), true)
}

fn as_json(
    delivered: &Delivered,
    decision: &Decision,
    requests: &[String],
    is_sample: bool,
) -> Value {
    let runs: Vec<Value> = decision
        .planned
        .iter()
        .zip(requests)
        .map(|(run, request)| {
            json!({ "check": run.check, "genre": run.genre, "ci": run.ci, "commit": run.commit,
                "ref": run.git_ref,
                "pull_request": run.pull_request.as_ref().map(|of| of.id), "request": request })
        })
        .collect();
    json!({
        "event_type": delivered.event_type,
        "event": decision.event.as_str(),
        "outcome": decision.outcome.as_str(),
        "reason": decision.reason,
        "sample": is_sample,
        "runs": runs,
    })
}

/// What was found about each check of a pull request.
fn print_findings(answer: &Value) {
    let of = |field: &str| table::text(answer, field);
    say!("pull request {}: {}", of("pull_request"), of("title"));
    say!("commit {} into {}", table::short(answer, "commit"), of("target"));
    let items = answer.get("items").and_then(Value::as_array);
    let row = |item: &Value| {
        let name = format!("{}/{}", table::text(item, "genre"), table::text(item, "check"));
        let outcome = table::text(item, "outcome").replace('_', " ");
        vec![name, outcome, table::text(item, "reason"), table::text(item, "run")]
    };
    let rows: Vec<_> = items.into_iter().flatten().map(row).collect();
    table::print(&["check", "outcome", "reason", "run"], &rows);
}

fn print(delivered: &Delivered, decision: &Decision, requests: &[String], is_sample: bool) {
    if is_sample {
        say!("note     this is a sample of Azure DevOps, which starts nothing; as a real event:");
    }
    let event_type = delivered.event_type.as_deref().unwrap_or("none");
    say!("type     {}", printable(event_type));
    say!("event    {}", decision.event);
    say!("outcome  {}", decision.outcome.as_str());
    say!("reason   {}", printable(&decision.reason));
    for (run, request) in decision.planned.iter().zip(requests) {
        let (commit, git_ref) = (printable(&run.commit), printable(&run.git_ref));
        say!("run      {} at {}: commit {commit}, {git_ref}", run.check, run.ci);
        request.lines().for_each(|line| say!("         {}", printable(line)));
    }
}
