//! `azdo-gateway hooks`: lists the service-hook subscriptions of the gateway, plans and applies
//! changes to them, rotates their secrets, and removes them.

mod plan;
mod wait;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::Common;
use super::gateway::Gateway;
use super::listing::{self, Listing};
use super::table::text;
use crate::cli::output::say;

#[derive(Debug, Subcommand)]
pub(super) enum Hooks {
    /// List the subscriptions as last seen, and when each last delivered.
    #[command(after_help = "\
Examples:
  azdo-gateway hooks list --organization my-devops-org")]
    List(Listing),
    /// Show what would be created, changed, replaced and removed; change nothing.
    #[command(after_help = "\
Examples:
  azdo-gateway hooks plan
  azdo-gateway hooks plan --check --json")]
    Plan {
        #[command(flatten)]
        scope: Scope,
        /// Exit with 1 where there is something to do.
        #[arg(long)]
        check: bool,
    },
    /// Apply the plan, and wait until it is done.
    #[command(after_help = "\
Examples:
  azdo-gateway hooks apply --organization my-devops-org")]
    Apply(Scope),
    /// Give the hooks new secrets. The old secrets end some minutes after the new ones have
    /// delivered, or at once with --now.
    #[command(after_help = "\
Examples:
  azdo-gateway hooks rotate
  azdo-gateway hooks rotate --organization my-devops-org --now")]
    Rotate {
        #[command(flatten)]
        scope: Scope,
        /// Only hooks of the project with this id.
        #[arg(long)]
        project: Option<String>,
        /// End the old secrets at once: deliveries that are under way, or that Azure DevOps sends
        /// before it has the new ones, are refused. Catch-up finds their events.
        #[arg(long)]
        now: bool,
    },
    /// Remove the hooks of the gateway, end their passwords, and create none until the next apply.
    #[command(after_help = "\
Examples:
  azdo-gateway hooks remove --organization my-devops-org")]
    Remove(Scope),
}

/// A reconciler that a command has asked for a pass, and the kind of the steps that it executes.
#[derive(Debug, PartialEq, Eq)]
struct Work {
    reconciler: &'static str,
    kind: &'static str,
}

const SUBSCRIPTIONS: Work = Work { reconciler: "subscriptions", kind: "hook" };
const POLICIES: Work = Work { reconciler: "policies", kind: "policy" };
const ALL: &[Work] = &[SUBSCRIPTIONS, POLICIES];

#[derive(Debug, Args)]
pub(super) struct Scope {
    /// Only this organization.
    #[arg(long)]
    organization: Option<String>,
}

impl Hooks {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        Gateway::with(common, async |gateway| self.run_with(gateway, common.json).await).await
    }

    async fn run_with(&self, gateway: &Gateway, is_json: bool) -> anyhow::Result<ExitCode> {
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
            Hooks::Plan { scope, check } => {
                let mut plans = Vec::new();
                for name in gateway.organizations(scope.organization.as_deref()).await? {
                    plans.push(gateway.get(&format!("/v1/organizations/{name}/plan")).await?);
                }
                if is_json {
                    say!("{:#}", json!({ "items": plans }));
                } else {
                    plans.iter().for_each(plan::print);
                }
                let is_due = plans.iter().any(|plan| plan::is_due(plan, ALL));
                Ok(if *check && is_due { ExitCode::FAILURE } else { ExitCode::SUCCESS })
            }
            Hooks::Apply(scope) => {
                each(gateway, scope, is_json, (Method::POST, "reconcile"), ALL).await
            }
            Hooks::Rotate { scope, project, now } => {
                let project = project.as_ref().map(|id| format!("project={id}"));
                let now = now.then(|| "now=true".to_owned());
                let query: Vec<String> = project.into_iter().chain(now).collect();
                let rotate = (Method::POST, &*format!("rotate?{}", query.join("&")));
                each(gateway, scope, is_json, rotate, &[SUBSCRIPTIONS]).await
            }
            Hooks::Remove(scope) => {
                each(gateway, scope, is_json, (Method::DELETE, "hooks"), &[SUBSCRIPTIONS]).await
            }
        }
    }
}

/// Sends a request about each organization, and waits until those that it asks have carried it out.
async fn each(
    gateway: &Gateway,
    scope: &Scope,
    is_json: bool,
    (method, action): (Method, &str),
    works: &[Work],
) -> anyhow::Result<ExitCode> {
    let show = |line: &str| {
        if !is_json {
            say!("  {line}");
        }
    };
    let (mut plans, mut is_done) = (Vec::new(), true);
    for name in gateway.organizations(scope.organization.as_deref()).await? {
        let before = gateway.get(&format!("/v1/organizations/{name}/plan")).await?;
        let path = format!("/v1/organizations/{name}/{action}");
        let accepted = gateway.call(method.clone(), &path).await?;
        if !is_json {
            plan::print(&before);
        }
        for work in works {
            show(&format!("{}: asked for a pass", work.reconciler));
        }
        let asked_at = text(&accepted, "asked_at");
        let problem = wait::until_done(gateway, &name, &asked_at, works, show).await?;
        let after = gateway.get(&format!("/v1/organizations/{name}/plan")).await?;
        if !is_json {
            plan::print_done(&after, works, problem.as_deref());
        }
        is_done &= problem.is_none() && !plan::is_due(&after, works);
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
