//! `azdo-gateway report`: reports on a run, for scripts. Also how the runner of this program
//! reports.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::gateway::trusted;
use super::output::{print_json, say};
use super::progress::while_waiting;
use super::{Common, usage};
use crate::domain::backoff::Backoff;
use crate::jitter;
use crate::secret::Secret;

/// How long a report is repeated that the gateway does not take.
const REPEATS_MAX: Duration = Duration::from_secs(60);
pub(super) const BACKOFF: Backoff = Backoff { base_ms: 500, cap_ms: 10_000, retry_after_ms_max: 0 };
const RUNS: &str = "/v1/runs/";
const REPORTS: &str = "/reports";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  azdo-gateway report --state running --description \"42 of 99 tests\"
  azdo-gateway report --state succeeded --url https://ci.example.com/runs/7")]
pub(super) struct Report {
    /// What the run does: running, succeeded, failed, errored or cancelled.
    #[arg(long, value_parser = ["running", "succeeded", "failed", "errored", "cancelled"])]
    state: String,
    /// The text of the status.
    #[arg(long)]
    description: Option<String>,
    /// The link of the status, http or https.
    #[arg(long)]
    url: Option<String>,
    /// The run: its id, or the address for its reports. By default AZDO_REPORT_URL, else AZDO_RUN.
    #[arg(long, value_name = "ID|ADDRESS")]
    run: Option<String>,
}

impl Report {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let Some(token) = set("AZDO_REPORT_TOKEN").or_else(|| set("AZDO_GATEWAY_TOKEN")) else {
            return Ok(usage(
                "set AZDO_REPORT_TOKEN to the token that came with the run, or AZDO_GATEWAY_TOKEN \
                 to one with the role reporter",
            ));
        };
        let token = Secret::new(token.trim().to_owned());
        let asked = [self.run.clone(), set("AZDO_REPORT_URL"), set("AZDO_RUN")];
        let Some(run) = asked.into_iter().flatten().next() else {
            return Ok(usage("name the run with --run, or set AZDO_REPORT_URL or AZDO_RUN"));
        };
        let known = set("AZDO_REPORT_URL");
        let address = match address(&run, known.as_deref()) {
            Some(address) => address,
            None => {
                let public_url = common.load()?.server.public_url;
                format!("{}{RUNS}{run}{REPORTS}", public_url.as_str().trim_end_matches('/'))
            }
        };
        let (address, http) = trusted("the address of the run,", &address)?;
        let body = json!({
            "state": self.state, "description": self.description, "url": self.url,
        });
        let answer = send_for(REPEATS_MAX, &http, &address, &token, &body);
        let answer = while_waiting("reporting", answer).await?;
        Ok(self.print(common, &answer))
    }

    /// Prints what became of the report. A final one that does not count is a failure, unless the
    /// run has that state already.
    fn print(&self, common: &Common, answer: &Value) -> ExitCode {
        let text = |field: &str| answer.get(field).and_then(Value::as_str).unwrap_or_default();
        let is_applied = answer.get("applied").and_then(Value::as_bool).unwrap_or(false);
        if common.json {
            print_json(answer);
        } else if is_applied {
            say!("applied: the run is {}", text("state"));
        } else {
            say!("not applied: {}", text("reason"));
        }
        let is_fine = is_applied || self.state == "running" || text("state") == self.state;
        if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Where a run is reported on: `run` is its address or its id, `known` the address of this run or
/// of another one at the same gateway. None for an id alone.
fn address(run: &str, known: Option<&str>) -> Option<String> {
    if run.contains("://") {
        return Some(run.to_owned());
    }
    let (gateway, _) = known?.rsplit_once(RUNS)?;
    Some(format!("{gateway}{RUNS}{run}{REPORTS}"))
}

/// Reports, again where the gateway cannot take the report now. Returns the JSON of the answer.
async fn send_for(
    repeats_max: Duration,
    http: &reqwest::Client,
    address: &str,
    token: &Secret,
    body: &Value,
) -> anyhow::Result<Value> {
    let begin = Instant::now();
    let mut attempts = 0_u32;
    loop {
        match send(http, address, token, body).await {
            Sent::Answered(answer) => return Ok(answer),
            Sent::Refused(_, why) => bail!("the report is refused: {why}"),
            Sent::Later(why) if begin.elapsed() > repeats_max => {
                bail!("the gateway does not take the report: {why}")
            }
            Sent::Later(_) => {
                attempts = attempts.saturating_add(1);
                tokio::time::sleep(BACKOFF.wait(attempts, jitter::random(), None)).await;
            }
        }
    }
}

/// What became of one report.
#[derive(Debug)]
pub(super) enum Sent {
    /// `{run, state, applied, reason?}`.
    Answered(Value),
    /// It may be taken when it is sent again.
    Later(String),
    Refused(StatusCode, String),
}

/// Sends one report to the address of a run.
pub(super) async fn send(
    http: &reqwest::Client,
    address: &str,
    token: &Secret,
    body: &Value,
) -> Sent {
    let sent = http.post(address).bearer_auth(token.expose()).json(body).send().await;
    match answer(sent).await {
        Ok((status, answer)) if status.is_success() => Sent::Answered(answer),
        Ok((status, answer)) if is_passing(status) => Sent::Later(detail(status, &answer)),
        Ok((status, answer)) => Sent::Refused(status, detail(status, &answer)),
        Err(why) => Sent::Later(why),
    }
}

/// The status and the JSON of an answer; null where it is not JSON.
///
/// # Errors
/// There was none: why.
pub(super) async fn answer(
    sent: reqwest::Result<reqwest::Response>,
) -> Result<(StatusCode, Value), String> {
    // The whole chain says what the connection failed at.
    let why = |error: reqwest::Error| format!("{:#}", anyhow::Error::new(error.without_url()));
    let response = sent.map_err(why)?;
    let status = response.status();
    let body = response.bytes().await.map_err(why)?;
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}

/// Whether the same call may be answered otherwise later.
pub(super) fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 409 | 425 | 429)
}

/// The words of a refusal.
pub(super) fn detail(status: StatusCode, answer: &Value) -> String {
    match answer.get("detail").and_then(Value::as_str) {
        Some(detail) => format!("{detail} ({status})"),
        None => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_by_its_address_or_by_its_id_beside_another_address() {
        let one = "https://gw.example/base/v1/runs/1/reports";
        assert_eq!(address(one, None).as_deref(), Some(one));
        assert_eq!(address("1", Some(one)).as_deref(), Some(one));
        let other = "https://gw.example/base/v1/runs/2/reports";
        assert_eq!(address("2", Some(one)).as_deref(), Some(other));
        assert_eq!(address("2", None), None);
        assert_eq!(address("2", Some("https://gw.example/")), None);
    }

    #[test]
    fn what_passes_is_repeated_and_nothing_else() {
        for (status, passes) in
            [(200, false), (307, false), (400, false), (401, false), (404, false), (409, true)]
                .into_iter()
                .chain([(429, true), (500, true), (503, true)])
        {
            assert_eq!(is_passing(StatusCode::from_u16(status).unwrap()), passes, "{status}");
        }
    }
}
