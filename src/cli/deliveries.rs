//! `azdo-gateway deliveries list|show|replay`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::Common;
use super::gateway::Gateway;
use super::listing::{self, Listing};
use super::output::print_json;
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
        match self {
            Deliveries::List(list) => {
                Gateway::print(common, Method::GET, &list.path(), print_list).await
            }
            Deliveries::Show { id } => {
                let path = format!("/v1/deliveries/{id}");
                Gateway::print(common, Method::GET, &path, print_json).await
            }
            Deliveries::Replay { id } => {
                let path = format!("/v1/deliveries/{id}/replay");
                Gateway::print(common, Method::POST, &path, print_replayed).await
            }
        }
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

fn print_replayed(answer: &Value) {
    say!("replayed as delivery {}", text(answer, "delivery"));
}
