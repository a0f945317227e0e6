//! `azdo-gateway reload`.

use std::process::ExitCode;

use anyhow::bail;
use reqwest::Method;
use serde_json::Value;

use super::Common;
use super::gateway::Gateway;
use super::output::say;
use super::table::text;
use crate::server::Difference;

pub(super) async fn run(common: &Common) -> anyhow::Result<ExitCode> {
    // What is wrong with the file is said here with its lines, and with the code of a wrong
    // configuration, where this is the machine of the gateway.
    if common.url.is_none() {
        common.load()?;
    }
    let answer = Gateway::with(common, async |gateway| {
        if !gateway.is_running() {
            bail!("no gateway runs: the next start reads the configuration");
        }
        gateway.call(Method::POST, "/v1/reload").await
    })
    .await?;
    if common.json {
        say!("{answer:#}");
        return Ok(ExitCode::SUCCESS);
    }
    let changes = answer.get("changes").and_then(Value::as_array);
    let changes: Vec<_> = changes.into_iter().flatten().collect();
    if changes.is_empty() {
        say!("The configuration has not changed.");
    }
    for change in changes {
        let value = |name| change.get(name).and_then(Value::as_str).map(str::to_owned);
        let (before, after) = (value("before"), value("after"));
        say!("{}", Difference { key: text(change, "key"), before, after });
    }
    Ok(ExitCode::SUCCESS)
}
