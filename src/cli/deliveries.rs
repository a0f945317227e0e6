//! `azdo-gateway deliveries list|show|replay`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Common;
use super::gateway::Gateway;
use super::listing::{self, Listing};
use super::table::text;
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
    #[command(flatten)]
    listing: Listing,
    /// started, ignored, stale, duplicate, quarantined or pending.
    #[arg(long)]
    outcome: Option<String>,
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
        self.listing.path("/v1/deliveries", &[("outcome", &self.outcome)])
    }
}

fn print_list(answer: &Value) {
    let fields = ["id", "received_at", "organization", "event_type", "event", "outcome", "reason"];
    let head = ["id", "received", "organization", "type", "event", "outcome", "reason"];
    listing::print(answer, &head, |item| fields.map(|field| text(item, field)).to_vec());
}
