//! `azdo-gateway keygen`: new secrets, and the address and password of a hook that somebody
//! creates by hand. It prints secrets, since that is what it is asked for; it stores none.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{Common, usage};
use crate::ci::webhook::SigningSecret;
use crate::cli::output::say;
use crate::secret::RootKey;

#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// A secret for a CI of kind "webhook".
    #[arg(long, conflicts_with = "hook")]
    webhook: bool,
    /// The address, user and password of a hook, as ORGANIZATION/NAME.
    #[arg(long, value_name = "ORGANIZATION/NAME")]
    hook: Option<String>,
}

impl Keygen {
    pub(super) fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        if let Some(hook) = &self.hook {
            return print_hook(common, hook);
        }
        let secret = if self.webhook {
            SigningSecret::generate().context("no randomness")?
        } else {
            RootKey::generate().context("no randomness")?.to_base64()
        };
        say!("{}", secret.expose());
        Ok(ExitCode::SUCCESS)
    }
}

fn print_hook(common: &Common, hook: &str) -> anyhow::Result<ExitCode> {
    let config = common.load()?;
    let Some((organization, name)) = hook.split_once('/').filter(|(_, name)| is_segment(name))
    else {
        return Ok(usage("give the hook as ORGANIZATION/NAME, NAME of letters, digits, . _ -"));
    };
    let same = |known: &&str| known.eq_ignore_ascii_case(organization);
    let mut names = config.organizations.iter().map(|known| known.ado.name.as_str());
    let Some(organization) = names.find(same) else {
        return Ok(usage(&format!("there is no organization {organization} in the configuration")));
    };
    let public_url = config.server.public_url.as_str().trim_end_matches('/');
    let url = format!("{public_url}/hooks/azure-devops/{organization}/{name}");
    let password = config.secrets.hook_password(organization, name);
    if common.json {
        let user = "azure-devops";
        say!("{}", json!({ "url": url, "user": user, "password": password.expose() }));
    } else {
        say!("url       {url}\nuser      azure-devops\npassword  {}", password.expose());
    }
    Ok(ExitCode::SUCCESS)
}

fn is_segment(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.chars().all(allowed)
}
