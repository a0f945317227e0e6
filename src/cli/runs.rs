//! `azdo-gateway runs list|show|cancel|rerun`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Common;
use super::gateway::Gateway;
use super::table::{print, short, text};
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
    /// How many, up to 500.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Where an earlier page ended.
    #[arg(long)]
    cursor: Option<String>,
    /// planned, dispatched, running, succeeded, failed, errored, cancelled, timed_out, superseded.
    #[arg(long)]
    state: Option<String>,
    /// Of one check.
    #[arg(long)]
    check: Option<String>,
    /// Of one organization.
    #[arg(long)]
    organization: Option<String>,
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
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &self.limit.to_string());
        let filters = [
            ("cursor", &self.cursor),
            ("state", &self.state),
            ("check", &self.check),
            ("organization", &self.organization),
        ];
        for (name, value) in filters {
            query.extend_pairs(value.iter().map(|value| (name, value)));
        }
        format!("/v1/runs?{}", query.finish())
    }
}

fn print_list(answer: &Value) {
    let items = answer.get("items").and_then(Value::as_array);
    let row = |item: &Value| {
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
    };
    let rows: Vec<Vec<String>> = items.into_iter().flatten().map(row).collect();
    let head = ["id", "created", "check", "repository", "pr", "commit", "state", "reason"];
    print(&head, &rows);
    if let Some(next) = answer.get("next").and_then(Value::as_str) {
        say!("more: --cursor {next}");
    }
}
