//! `azdo-gateway deliveries list|show|replay`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::Common;
use super::gateway::Gateway;
use super::listing::Listing;
use super::resource::Resource;
use super::table::{self, text};
use crate::cli::output::{print_json, say};

#[derive(Debug, Subcommand)]
pub(super) enum Deliveries {
    /// List the latest deliveries.
    #[command(after_help = "\
Examples:
  azdo-gateway deliveries list --outcome ignored
  azdo-gateway deliveries list --organization my-devops-org --limit 10 --json")]
    List(List),
    /// Show one delivery: for each check whether it runs and why, and its body.
    #[command(after_help = "\
Examples:
  azdo-gateway deliveries show 4711")]
    Show {
        /// Its number.
        id: String,
    },
    /// Decide a stored delivery again.
    #[command(after_help = "\
Examples:
  azdo-gateway deliveries replay 4711")]
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
            Deliveries::List(list) => list.listing.show(common, &list.resource()).await,
            Deliveries::Show { id } => {
                let path = format!("/v1/deliveries/{id}");
                Gateway::print(common, Method::GET, &path, print_one).await
            }
            Deliveries::Replay { id } => {
                let path = format!("/v1/deliveries/{id}/replay");
                Gateway::print(common, Method::POST, &path, print_replayed).await
            }
        }
    }
}

impl List {
    fn resource(&self) -> Resource {
        Resource {
            path: self.listing.path("/v1/deliveries", &[("outcome", &self.outcome)]),
            head: &["id", "received", "organization", "type", "event", "outcome", "reason"],
            row,
            kind: Some("delivery"),
        }
    }
}

fn row(item: &Value) -> Vec<String> {
    let fields = ["id", "received_at", "organization", "event_type", "event", "outcome", "reason"];
    fields.map(|field| text(item, field)).to_vec()
}

/// The decision for each check comes first, since most people ask for that; then the body of the
/// delivery, as indented JSON.
fn print_one(answer: &Value) {
    let facts = [
        ("delivery", "id"),
        ("outcome", "outcome"),
        ("reason", "reason"),
        ("event", "event"),
        ("type", "event_type"),
        ("organization", "organization"),
        ("source", "source"),
        ("hook", "hook"),
        ("created", "created_at"),
        ("received", "received_at"),
        ("decided", "decided_at"),
        ("subscription", "subscription"),
        ("notification", "notification"),
    ];
    table::print_facts(&facts.map(|(name, field)| (name, text(answer, field))));
    let checks = answer.get("checks").and_then(Value::as_array);
    let checks: Vec<_> = checks.into_iter().flatten().map(decided).collect();
    if !checks.is_empty() {
        say!("");
        table::print(&["check", "decision", "key", "run", "reason"], &checks);
    }
    say!("\nbody          {} bytes\n", text(answer, "body_bytes"));
    match answer.get("body") {
        Some(Value::String(text)) => say!("{text}"),
        Some(body) => print_json(body),
        None => {}
    }
}

/// The line that says whether a check runs, and why.
fn decided(check: &Value) -> Vec<String> {
    let is_started = check.get("started") == Some(&Value::Bool(true));
    let has_run = check.get("run").is_some_and(Value::is_string);
    let decision = match (is_started, has_run) {
        (true, _) => "started",
        (false, true) => "cancelled",
        (false, false) => "not started",
    };
    let [name, key, run] = ["check", "key", "run"].map(|field| text(check, field));
    let why = match text(check, "why") {
        why if why.is_empty() => "-".to_owned(),
        why => why,
    };
    vec![name, decision.to_owned(), key, run, why]
}

fn print_replayed(answer: &Value) {
    say!("replayed as delivery {}", text(answer, "delivery"));
}
