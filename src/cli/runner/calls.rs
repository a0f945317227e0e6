//! The calls of a runner to its gateway.

use std::time::Duration;

use anyhow::Context;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use url::Url;

use crate::cli::gateway::trusted;
use crate::cli::report::{Sent, answer, detail, is_passing, send};
use crate::secret::Secret;

/// How long the gateway holds a call back that asks for a run while there is none. A runner that
/// is told to stop waits for the answer, since it may have a run.
const WAIT_S: u64 = 10;
/// How much longer than that the answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// The same for calls that are answered at once.
const SHORT_ANSWER_MAX: Duration = Duration::from_secs(10);
/// A lease that is said to be shorter or longer is taken for this.
const LEASE_MIN: Duration = Duration::from_secs(1);
const LEASE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// The gateway, as one runner calls it.
#[derive(Debug)]
pub(super) struct Gateway {
    http: reqwest::Client,
    url: Url,
    token: Secret,
    /// Who asks: `{name, labels, wait_s}`.
    runner: Value,
}

/// A run that this runner has to work on.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) lease: String,
    pub(super) expires_in: Duration,
    /// The trigger, as CI systems of kind `webhook` get it.
    pub(super) run: Value,
    /// Its id.
    pub(super) id: String,
    /// Where it is reported on, and the token for that.
    pub(super) report: (String, Secret),
}

/// What came of asking for a run.
#[derive(Debug)]
pub(super) enum Taken {
    Run(Box<Leased>),
    Nothing,
    /// It may be answered otherwise later.
    Later(String),
    /// It will not be: a person has to do something.
    Refused(String),
}

/// What came of a heartbeat.
#[derive(Debug)]
pub(super) enum Beat {
    Alive {
        expires_in: Duration,
        cancel: Option<String>,
    },
    /// The lease is somebody else's, or nobody's: why.
    Lost(String),
    Later(String),
}

impl Gateway {
    pub(super) fn new(
        url: &str,
        token: Secret,
        name: &str,
        labels: &[String],
    ) -> anyhow::Result<Self> {
        let (url, http) = trusted("--url", url)?;
        let url = Url::parse(&url).context("--url is not an address")?;
        let runner = json!({ "name": name, "labels": labels, "wait_s": WAIT_S });
        Ok(Self { http, url, token, runner })
    }

    /// Asks for a run.
    pub(super) async fn take(&self) -> Taken {
        let wait_max = Duration::from_secs(WAIT_S) + ANSWER_MAX;
        let call = self.call(&["lease"], wait_max).json(&self.runner);
        match answer(call.send().await).await {
            Ok((StatusCode::NO_CONTENT, _)) => Taken::Nothing,
            Ok((StatusCode::OK, answer)) => match leased(answer) {
                Some(leased) => Taken::Run(Box::new(leased)),
                None => Taken::Later("the gateway has sent a run that cannot be read".into()),
            },
            Ok((status, answer)) if is_passing(status) => Taken::Later(detail(status, &answer)),
            Ok((status, answer)) => Taken::Refused(refusal(status, &detail(status, &answer))),
            Err(why) => Taken::Later(why),
        }
    }

    /// Renews a lease.
    pub(super) async fn heartbeat(&self, lease: &str) -> Beat {
        let call = self.call(&["lease", lease, "heartbeat"], SHORT_ANSWER_MAX).json(&json!({}));
        match answer(call.send().await).await {
            Ok((StatusCode::CONFLICT, answer)) => Beat::Lost(detail(StatusCode::CONFLICT, &answer)),
            Ok((status, answer)) if status.is_success() => {
                let cancels = answer.get("cancel").and_then(Value::as_bool).unwrap_or(false);
                let reason = answer.get("reason").and_then(Value::as_str);
                let reason = reason.unwrap_or("the gateway asked for it");
                let cancel = cancels.then(|| reason.to_owned());
                Beat::Alive { expires_in: expires_in(&answer), cancel }
            }
            // A token that is refused now may be one that is being replaced.
            Ok((status, answer)) => Beat::Later(detail(status, &answer)),
            Err(why) => Beat::Later(why),
        }
    }

    /// Gives a run back. Says why that did not work, and whether it may work later.
    pub(super) async fn release(&self, lease: &str) -> Result<(), (String, bool)> {
        let call = self.call(&["lease", lease, "release"], SHORT_ANSWER_MAX).json(&json!({}));
        match answer(call.send().await).await {
            Ok((status, _)) if status.is_success() => Ok(()),
            Ok((status, answer)) => {
                let passes = is_passing(status) && status != StatusCode::CONFLICT;
                Err((detail(status, &answer), passes))
            }
            Err(why) => Err((why, true)),
        }
    }

    /// Reports on a run, with its own token.
    pub(super) async fn report(&self, run: &Leased, report: &Value) -> Sent {
        let (url, token) = &run.report;
        // The address comes from the gateway, but a token is sent to no address unencrypted.
        match trusted("the address for reports,", url) {
            Ok(_) => send(&self.http, url, token, report).await,
            Err(error) => Sent::Refused(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }

    fn call(&self, path: &[&str], answer_max: Duration) -> RequestBuilder {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["v1", "runners"]).extend(path);
        }
        self.http.post(url).bearer_auth(self.token.expose()).timeout(answer_max)
    }
}

fn leased(answer: Value) -> Option<Leased> {
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let id = text("/run/run").filter(|id| is_name(id))?;
    let report = (text("/run/report/url")?, Secret::new(text("/run/report/token")?));
    let (lease, expires_in) = (text("/lease")?, expires_in(&answer));
    let run = answer.get("run").cloned().unwrap_or_default();
    Some(Leased { lease, expires_in, run, id, report })
}

/// Whether an id can name a folder.
fn is_name(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn expires_in(answer: &Value) -> Duration {
    let seconds = answer.get("expires_in_s").and_then(Value::as_f64).unwrap_or(0.0);
    let seconds = seconds.clamp(LEASE_MIN.as_secs_f64(), LEASE_MAX.as_secs_f64());
    Duration::from_secs_f64(seconds)
}

/// A refusal with what to do about it.
fn refusal(status: StatusCode, detail: &str) -> String {
    let help = match status.as_u16() {
        401 | 403 => {
            "set AZDO_GATEWAY_TOKEN to the token of an [[api_token]] with role = \"runner\", and \
             --labels to those that it may have"
        }
        404 => "look whether --url is the address of the gateway, and whether it knows runners",
        300..=399 => "give the address that it leads to with --url: redirects are not followed",
        _ => "look at --name and --labels",
    };
    format!("the gateway refuses this runner: {detail}\nhelp: {help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_read_and_nonsense_is_not() {
        let good = json!({
            "lease": "l1", "expires_in_s": 60,
            "run": { "run": "r-1", "report": { "url": "https://gw/v1", "token": "t" } },
        });
        let read = leased(good.clone()).unwrap();
        assert_eq!((read.id.as_str(), read.lease.as_str()), ("r-1", "l1"));
        assert_eq!(read.expires_in, Duration::from_secs(60));
        for (pointer, value) in [
            ("/run/run", json!("../x")),
            ("/run/run", json!("")),
            ("/run/run", json!(7)),
            ("/lease", Value::Null),
            ("/run/report/token", Value::Null),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = value;
            assert!(leased(bad).is_none(), "{pointer}");
        }
    }

    #[test]
    fn an_expiry_is_within_its_bounds() {
        for (given, seconds) in [
            (json!(60), 60),
            (json!(0), 1),
            (json!(-5), 1),
            (json!("x"), 1),
            (json!(1e300), 86_400),
        ] {
            let expiry = expires_in(&json!({ "expires_in_s": given }));
            assert_eq!(expiry, Duration::from_secs(seconds));
        }
    }
}
