//! `azdo-gateway link`: who the gateway is in an organization, and a link to sign somebody in. The
//! link is a secret for as long as it works; it is printed since that is what is asked for.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::Common;
use super::gateway::Gateway;
use super::table::text;
use crate::cli::output::say;

#[derive(Debug, Args)]
pub(super) struct Link {
    /// The organization.
    organization: String,
    /// Take the service user away instead.
    #[arg(long)]
    remove: bool,
}

impl Link {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        let gateway = Gateway::reach(common).await?;
        let is_running = gateway.is_running();
        let path = format!("/v1/organizations/{}/link", self.organization);
        let answer = match self.remove {
            true => gateway.delete(&path).await.map(|()| Value::Null),
            false => gateway.post(&path).await,
        };
        gateway.close().await;
        let answer = answer?;
        match (self.remove, common.json) {
            (true, true) => say!("{{}}"),
            (true, false) => {
                say!("Nobody is linked to {} any more; its statuses wait.", self.organization);
            }
            (false, true) => say!("{answer:#}"),
            (false, false) => {
                self.print(&answer);
                if !is_running {
                    say!("No gateway is running: start it first.");
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, answer: &Value) {
        let organization = &self.organization;
        match answer.get("linked").filter(|linked| !linked.is_null()) {
            None => say!("{organization}: nobody is linked, and statuses wait."),
            Some(linked) => {
                say!(
                    "{organization}: linked to {} since {}, by {}.",
                    text(linked, "user_name"),
                    text(linked, "linked_at"),
                    text(linked, "linked_by")
                );
                let problem = text(linked, "problem");
                if problem != "-" {
                    say!("It does not work: {problem}");
                }
            }
        }
        say!("\nOpen this in a browser, and sign in with the account whose rights are to be used:");
        say!("\n  {}", text(answer, "url"));
        say!("\nIt works once, until {}.", text(answer, "expires_at"));
    }
}
