//! `azdo-gateway link`: shows the service user of an organization, prints a one-time link to sign
//! one in, or unlinks it.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::Common;
use super::gateway::Gateway;
use super::table::text;
use crate::cli::output::say;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  azdo-gateway link my-devops-org
  azdo-gateway link my-devops-org --remove")]
pub(super) struct Link {
    /// The organization.
    organization: String,
    /// Unlink the service user instead.
    #[arg(long)]
    remove: bool,
}

impl Link {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        let path = format!("/v1/organizations/{}/link", self.organization);
        let method = if self.remove { Method::DELETE } else { Method::POST };
        let call = async |gateway: &Gateway| {
            Ok((gateway.call(method, &path).await?, gateway.is_running()))
        };
        let (answer, is_running) = Gateway::with(common, call).await?;
        match (self.remove, common.json) {
            (true, true) => say!("{{}}"),
            (true, false) => {
                say!("{}: no service user is linked any more; statuses wait.", self.organization);
            }
            (false, true) => say!("{answer:#}"),
            (false, false) => {
                self.print(&answer);
                if !is_running {
                    say!("No gateway is running: start it before you open the link.");
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, answer: &Value) {
        let organization = &self.organization;
        match answer.get("linked").filter(|linked| !linked.is_null()) {
            None => say!("{organization}: no service user is linked; statuses wait."),
            Some(linked) => {
                say!(
                    "{organization}: linked to {} since {}, by {}.",
                    text(linked, "user_name"),
                    text(linked, "linked_at"),
                    text(linked, "linked_by")
                );
                let problem = text(linked, "problem");
                if problem != "-" {
                    say!("The link does not work: {problem}");
                }
            }
        }
        say!(
            "\nOpen this link in a browser, and sign in as the account that the gateway is to use:"
        );
        say!("\n  {}", text(answer, "url"));
        say!("\nIt works once, until {}.", text(answer, "expires_at"));
    }
}
