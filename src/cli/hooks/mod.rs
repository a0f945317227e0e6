//! `azdo-gateway hooks list|plan|apply|rotate|remove`: the service-hook subscriptions of the
//! gateway, as they are and as they should be. It must never decide what they should be.

mod plan;
mod waiting;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Common;
use super::gateway::Gateway;
use super::listing::{self, Listing};
use super::table::text;
use crate::cli::output::say;

#[derive(Debug, Subcommand)]
pub(super) enum Hooks {
    /// The subscriptions as last seen, and when each last delivered.
    List(Listing),
    /// What would be created, changed, healed and removed; changes nothing.
    Plan {
        #[command(flatten)]
        of: Of,
        /// Exit with 1 when there is something to do.
        #[arg(long)]
        check: bool,
    },
    /// Do it, and wait until it is done.
    Apply(Of),
    /// Give the hooks new secrets; the old ones are taken until the new ones have delivered.
    Rotate {
        #[command(flatten)]
        of: Of,
        /// Only those of one project, by its id.
        #[arg(long)]
        project: Option<String>,
    },
    /// Delete the hooks of the gateway, and create none until the next apply.
    Remove(Of),
}

#[derive(Debug, Args)]
pub(super) struct Of {
    /// One organization instead of all.
    #[arg(long)]
    organization: Option<String>,
}

impl Of {
    async fn names(&self, gateway: &Gateway) -> anyhow::Result<Vec<String>> {
        if let Some(name) = &self.organization {
            return Ok(vec![name.clone()]);
        }
        let all = gateway.get("/v1/organizations").await?;
        let items = all.get("items").and_then(Value::as_array);
        Ok(items.into_iter().flatten().map(|item| text(item, "name")).collect())
    }
}

impl Hooks {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        let gateway = Gateway::reach(common).await?;
        let done = self.ask(&gateway, common.json).await;
        gateway.close().await;
        done
    }

    async fn ask(&self, gateway: &Gateway, is_json: bool) -> anyhow::Result<ExitCode> {
        match self {
            Hooks::List(listing) => {
                let answer = gateway.get(&listing.path("/v1/subscriptions", &[])).await?;
                if is_json {
                    say!("{answer:#}")
                } else {
                    print_list(&answer)
                }
                Ok(ExitCode::SUCCESS)
            }
            Hooks::Plan { of, check } => {
                let mut plans = Vec::new();
                for name in of.names(gateway).await? {
                    plans.push(gateway.get(&format!("/v1/organizations/{name}/plan")).await?);
                }
                if is_json {
                    say!("{:#}", json!({ "items": plans }));
                } else {
                    plans.iter().for_each(plan::print);
                }
                let is_due = plans.iter().any(plan::is_due);
                Ok(if *check && is_due { ExitCode::FAILURE } else { ExitCode::SUCCESS })
            }
            Hooks::Apply(of) => {
                let wish = async |name: &str| {
                    gateway.post(&format!("/v1/organizations/{name}/reconcile")).await
                };
                each(gateway, of, is_json, wish).await
            }
            Hooks::Rotate { of, project } => {
                let query = project.as_ref().map(|id| format!("?project={id}")).unwrap_or_default();
                let wish = async |name: &str| {
                    gateway.post(&format!("/v1/organizations/{name}/rotate{query}")).await
                };
                each(gateway, of, is_json, wish).await
            }
            Hooks::Remove(of) => {
                let wish = async |name: &str| {
                    gateway.remove(&format!("/v1/organizations/{name}/hooks")).await
                };
                each(gateway, of, is_json, wish).await
            }
        }
    }
}

/// Asks for the same in every organization, and waits until it is done.
async fn each(
    gateway: &Gateway,
    of: &Of,
    is_json: bool,
    wish: impl AsyncFn(&str) -> anyhow::Result<Value>,
) -> anyhow::Result<ExitCode> {
    let (mut plans, mut is_done) = (Vec::new(), true);
    for name in of.names(gateway).await? {
        let before = gateway.get(&format!("/v1/organizations/{name}/plan")).await?;
        let asked = wish(&name).await?;
        let problem = waiting::until_done(gateway, &name, &text(&asked, "asked_at")).await?;
        let after = gateway.get(&format!("/v1/organizations/{name}/plan")).await?;
        if !is_json {
            plan::print_done(&before, &after, problem.as_deref());
        }
        is_done &= problem.is_none() && !plan::is_due(&after);
        plans.push(json!({ "before": before, "after": after, "problem": problem }));
    }
    if is_json {
        say!("{:#}", json!({ "items": plans }));
    }
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_list(answer: &Value) {
    let head =
        ["id", "organization", "project", "topic", "state", "last delivery", "action", "reason"];
    listing::print(answer, &head, |item| {
        vec![
            text(item, "id"),
            text(item, "organization"),
            text(item, "project"),
            text(item, "topic"),
            text(item, "state"),
            text(item, "last_delivery_at"),
            text(item, "action"),
            text(item, "reason"),
        ]
    });
}
