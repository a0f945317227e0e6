//! `azdo-gateway runs list|show|cancel|rerun`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::Common;
use super::gateway::Gateway;
use super::listing::Listing;
use super::resource::Resource;
use super::table::{self, short, text};
use crate::cli::output::say;

#[derive(Debug, Subcommand)]
pub(super) enum Runs {
    /// List the latest runs.
    #[command(after_help = "\
Examples:
  azdo-gateway runs list --state failed
  azdo-gateway runs list --check unit-tests --json")]
    List(List),
    /// Show one run: its state, why, and what happened to it.
    #[command(after_help = "\
Examples:
  azdo-gateway runs show 0199a3c1-3b5e-7000-8000-000000000001")]
    Show {
        /// Its id.
        id: String,
    },
    /// Cancel a run.
    #[command(after_help = "\
Examples:
  azdo-gateway runs cancel 0199a3c1-3b5e-7000-8000-000000000001")]
    Cancel {
        /// Its id.
        id: String,
    },
    /// Start the same run again, as a new run.
    #[command(after_help = "\
Examples:
  azdo-gateway runs rerun 0199a3c1-3b5e-7000-8000-000000000001")]
    Rerun {
        /// Its id.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    listing: Listing,
    /// Only this state: planned, dispatched, running, succeeded, failed, errored, cancelled,
    /// timed_out or superseded.
    #[arg(long)]
    state: Option<String>,
    /// Only runs of this check.
    #[arg(long)]
    check: Option<String>,
}

impl Runs {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        match self {
            Runs::List(list) => list.listing.show(common, &list.resource()).await,
            Runs::Show { id } => {
                Gateway::print(common, Method::GET, &format!("/v1/runs/{id}"), print_one).await
            }
            Runs::Cancel { id } => change(common, &format!("/v1/runs/{id}/cancel")).await,
            Runs::Rerun { id } => change(common, &format!("/v1/runs/{id}/rerun")).await,
        }
    }
}

/// Cancels or reruns a run and prints the state of the run in the answer.
async fn change(common: &Common, path: &str) -> anyhow::Result<ExitCode> {
    let print_state =
        |answer: &Value| say!("run {} is {}", text(answer, "id"), text(answer, "state"));
    Gateway::print(common, Method::POST, path, print_state).await
}

impl List {
    fn resource(&self) -> Resource {
        let filters = [("state", &self.state), ("check", &self.check)];
        Resource {
            path: self.listing.path("/v1/runs", &filters),
            head: &["id", "created", "check", "repository", "pr", "commit", "state", "reason"],
            row,
            kind: Some("run"),
        }
    }
}

fn row(item: &Value) -> Vec<String> {
    vec![
        text(item, "id"),
        text(item, "created_at"),
        text(item, "check"),
        format!("{}/{}", text(item, "project"), text(item, "repository")),
        text(item, "pull_request"),
        short(item, "commit"),
        text(item, "state"),
        text(item, "reason"),
    ]
}

fn print_one(answer: &Value) {
    let of = |field: &str| text(answer, field);
    let pair = |one: &str, other: &str| format!("{}/{}", of(one), of(other));
    table::print_facts(&[
        ("run", of("id")),
        ("state", of("state")),
        ("reason", of("reason")),
        ("description", of("description")),
        ("check", pair("genre", "check")),
        ("repository", pair("project", "repository")),
        ("organization", of("organization")),
        ("pull request", of("pull_request")),
        ("ref", of("ref")),
        ("commit", of("commit")),
        ("ci", of("ci")),
        ("run at ci", of("ci_id")),
        ("address", of("url")),
        ("problem of ci", of("ci_problem")),
        ("runner", of("runner")),
        ("attempts", of("attempts")),
        ("created", of("created_at")),
        ("updated", of("updated_at")),
        ("overdue", of("overdue_at")),
    ]);
    let steps = answer.get("steps").and_then(Value::as_array);
    let step = |step: &Value| ["at", "what", "state", "words"].map(|field| text(step, field));
    let steps: Vec<_> = steps.into_iter().flatten().map(|one| step(one).to_vec()).collect();
    if !steps.is_empty() {
        say!("");
        table::print(&["at", "step", "state", "reason"], &steps);
    }
}
