//! `azdo-gateway runs list|show|cancel|rerun`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Common;
use super::gateway::Gateway;
use super::listing::{self, Listing};
use super::table::{short, text};
use crate::cli::output::say;

#[derive(Debug, Subcommand)]
pub(super) enum Runs {
    /// The latest runs.
    List(List),
    /// One run.
    Show {
        /// Its id.
        id: String,
    },
    /// End a run.
    Cancel {
        /// Its id.
        id: String,
    },
    /// Start a run anew.
    Rerun {
        /// Its id.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    listing: Listing,
    /// planned, dispatched, running, succeeded, failed, errored, cancelled, timed_out, superseded.
    #[arg(long)]
    state: Option<String>,
    /// Of one check.
    #[arg(long)]
    check: Option<String>,
}

impl Runs {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        let gateway = Gateway::reach(common).await?;
        let answer = match self {
            Runs::List(list) => gateway.get(&list.path()).await,
            Runs::Show { id } => gateway.get(&format!("/v1/runs/{id}")).await,
            Runs::Cancel { id } => gateway.post(&format!("/v1/runs/{id}/cancel")).await,
            Runs::Rerun { id } => gateway.post(&format!("/v1/runs/{id}/rerun")).await,
        };
        gateway.close().await;
        let answer = answer?;
        match self {
            Runs::List(_) if !common.json => print_list(&answer),
            Runs::Cancel { .. } | Runs::Rerun { .. } if !common.json => {
                say!("run {} is {}", text(&answer, "id"), text(&answer, "state"));
            }
            _ => say!("{answer:#}"),
        }
        Ok(ExitCode::SUCCESS)
    }
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
