//! `azdo-gateway healthcheck`: exits with 0 when the gateway answers, so that a container image
//! needs no other program for its health check.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use super::Common;

pub(super) async fn run(common: &Common) -> anyhow::Result<ExitCode> {
    let url = match &common.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", common.load()?.server.listen),
    };
    // What is checked is in the same container or on the same machine: no proxy is asked.
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build()?;
    let answer = http.get(format!("{url}/livez")).send().await.context("no answer")?;
    Ok(if answer.status().is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
