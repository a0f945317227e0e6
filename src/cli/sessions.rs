//! `azdo-gateway sessions revoke`.

use std::process::ExitCode;

use clap::Subcommand;
use reqwest::Method;

use super::Common;
use super::gateway::Gateway;
use crate::cli::output::say;

#[derive(Debug, Subcommand)]
pub(super) enum Sessions {
    /// End the sessions of one person, or of everybody: they have to sign in again.
    #[command(after_help = "\
Examples:
  azdo-gateway sessions revoke jo@example.com
  azdo-gateway sessions revoke")]
    Revoke {
        /// The name that the person signed in with, or the name of an API token.
        person: Option<String>,
    },
}

impl Sessions {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        let Self::Revoke { person } = self;
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(person.iter().map(|person| ("actor", person)));
        let path = format!("/v1/sessions?{}", query.finish());
        let call = async |gateway: &Gateway| gateway.call(Method::DELETE, &path).await;
        Gateway::with(common, call).await?;
        match (common.json, person) {
            (true, _) => say!("{{}}"),
            (false, Some(person)) => say!("{person} has to sign in again."),
            (false, None) => say!("Everybody has to sign in again."),
        }
        Ok(ExitCode::SUCCESS)
    }
}
