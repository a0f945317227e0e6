//! `azdo-gateway runs list|show|cancel|rerun`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::Common;
use super::gateway::Gateway;
use super::listing::{self, Listing};
use super::output::print_json;
use super::table::{short, text};
use crate::cli::output::say;

#[derive(Debug, Subcommand)]
pub(super) enum Runs {
    /// List the latest runs.
    List(List),
    /// Show one run.
    Show {
        /// Its id.
        id: String,
    },
    /// Cancel a run.
    Cancel {
        /// Its id.
        id: String,
    },
    /// Start the same run again, as a new run.
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
            Runs::List(list) => Gateway::print(common, Method::GET, &list.path(), print_list).await,
            Runs::Show { id } => {
                Gateway::print(common, Method::GET, &format!("/v1/runs/{id}"), print_json).await
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
    fn path(&self) -> String {
        self.listing.path("/v1/runs", &[("state", &self.state), ("check", &self.check)])
    }
}

fn print_list(answer: &Value) {
    let head = ["id", "created", "check", "repository", "pr", "commit", "state", "reason"];
    listing::print(answer, &head, |item| {
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
    });
}
