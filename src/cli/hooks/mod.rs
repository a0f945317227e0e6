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
use super::listing::Listing;
use super::resource::Resource;
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
        match self {
            Hooks::List(listing) => listing.show(common, &list(listing)).await,
            Hooks::Plan { scope, check } => plan(common, scope, *check).await,
            Hooks::Apply(scope) => each(common, scope, (Method::POST, "reconcile"), ALL).await,
            Hooks::Rotate { scope, project, now } => {
                let project = project.as_ref().map(|id| format!("project={id}"));
                let now = now.then(|| "now=true".to_owned());
                let query: Vec<String> = project.into_iter().chain(now).collect();
                let rotate = (Method::POST, &*format!("rotate?{}", query.join("&")));
                each(common, scope, rotate, &[SUBSCRIPTIONS]).await
            }
            Hooks::Remove(scope) => {
                each(common, scope, (Method::DELETE, "hooks"), &[SUBSCRIPTIONS]).await
            }
        }
    }
}

/// Prints the plan of each organization.
async fn plan(common: &Common, scope: &Scope, is_check: bool) -> anyhow::Result<ExitCode> {
    let ask = async |gateway: &Gateway| {
        let mut plans = Vec::new();
        for name in gateway.organizations(scope.organization.as_deref()).await? {
            plans.push(gateway.get(&format!("/v1/organizations/{name}/plan")).await?);
        }
        Ok(plans)
    };
    let plans = Gateway::with(common, ask).await?;
    if common.json {
        say!("{:#}", json!({ "items": plans }));
    } else {
        plans.iter().for_each(plan::print);
    }
    let is_due = plans.iter().any(|plan| plan::is_due(plan, ALL));
    Ok(if is_check && is_due { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Sends a request about each organization, and waits until those that it asks have carried it out.
async fn each(
    common: &Common,
    scope: &Scope,
    request: (Method, &str),
    works: &[Work],
) -> anyhow::Result<ExitCode> {
    let work = async |gateway: &Gateway| each_at(gateway, scope, common.json, request, works).await;
    Gateway::with(common, work).await
}

async fn each_at(
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

fn list(listing: &Listing) -> Resource {
    let head =
        &["id", "organization", "project", "topic", "state", "last delivery", "action", "reason"];
    Resource { path: listing.path("/v1/subscriptions", &[]), head, row, kind: None }
}

fn row(item: &Value) -> Vec<String> {
    let fields = ["id", "organization", "project", "topic", "state", "last_delivery_at", "action"];
    fields.into_iter().chain(["reason"]).map(|field| text(item, field)).collect()
}
