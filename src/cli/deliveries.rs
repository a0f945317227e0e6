//! `azdo-gateway deliveries list|show|replay`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Common;
use super::gateway::Gateway;
use super::table::{print, text};
use crate::cli::output::say;

#[derive(Debug, Subcommand)]
pub(super) enum Deliveries {
    /// The latest deliveries.
    List(List),
    /// One delivery with its body.
    Show {
        /// Its number.
        id: String,
    },
    /// Decide a stored delivery once more.
    Replay {
        /// Its number.
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
    /// started, ignored, stale, duplicate, quarantined or pending.
    #[arg(long)]
    outcome: Option<String>,
    /// Of one organization.
    #[arg(long)]
    organization: Option<String>,
}

impl Deliveries {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        let gateway = Gateway::reach(common).await?;
        let answer = match self {
            Deliveries::List(list) => gateway.get(&list.path()).await,
            Deliveries::Show { id } => gateway.get(&format!("/v1/deliveries/{id}")).await,
            Deliveries::Replay { id } => gateway.post(&format!("/v1/deliveries/{id}/replay")).await,
        };
        gateway.close().await;
        let answer = answer?;
        match self {
            Deliveries::List(_) if !common.json => print_list(&answer),
            Deliveries::Replay { .. } if !common.json => {
                say!("replayed as delivery {}", text(&answer, "delivery"));
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
            ("outcome", &self.outcome),
            ("organization", &self.organization),
        ];
        for (name, value) in filters {
            query.extend_pairs(value.iter().map(|value| (name, value)));
        }
        format!("/v1/deliveries?{}", query.finish())
    }
}

fn print_list(answer: &Value) {
    let items = answer.get("items").and_then(Value::as_array);
    let rows: Vec<Vec<String>> = items
        .into_iter()
        .flatten()
        .map(|item| {
            ["id", "received_at", "organization", "event_type", "event", "outcome", "reason"]
                .map(|field| text(item, field))
                .to_vec()
        })
        .collect();
    print(&["id", "received", "organization", "type", "event", "outcome", "reason"], &rows);
    if let Some(next) = answer.get("next").and_then(Value::as_str) {
        say!("more: --cursor {next}");
    }
}
