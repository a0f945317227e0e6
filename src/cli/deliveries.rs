//! `azdo-gateway deliveries list|show|replay`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::Common;
use super::gateway::Gateway;
use super::listing::{self, Listing};
use super::table::text;
use crate::cli::output::say;

#[derive(Debug, Subcommand)]
pub(super) enum Deliveries {
    /// List the latest deliveries.
    List(List),
    /// Show one delivery with its body.
    Show {
        /// Its number.
        id: String,
    },
    /// Decide a stored delivery again.
    Replay {
        /// Its number.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    listing: Listing,
    /// Only this outcome: started, ignored, stale, duplicate, quarantined or pending.
    #[arg(long)]
    outcome: Option<String>,
}

impl Deliveries {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        let (method, path) = match self {
            Deliveries::List(list) => (Method::GET, list.path()),
            Deliveries::Show { id } => (Method::GET, format!("/v1/deliveries/{id}")),
            Deliveries::Replay { id } => (Method::POST, format!("/v1/deliveries/{id}/replay")),
        };
        let answer =
            Gateway::with(common, async |gateway| gateway.call(method, &path).await).await?;
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
