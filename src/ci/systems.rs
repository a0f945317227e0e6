//! All configured CI systems, by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::account::{Accounts, Pauses, as_one};
use super::callback::{Callback, CallbackError, Mentioned};
use super::client::{Client, Organizations};
use super::client_identity::ClientIdentity;
use super::error::Error;
use super::options::{LeaseTerms, Options};
use super::system::{Cancelled, Finding, Observed, System};
use super::text::{Masks, plain};
use super::trigger::Trigger;
use super::urls::web_link;
use crate::clock::Clock;
use crate::domain::follow::{Abilities, PollIntervals};
use crate::domain::run::{Run, Started};

/// Characters of the CI's words about a state.
const WORDS_CHARS_MAX: usize = 400;

/// See the module.
#[derive(Clone, Debug)]
pub struct Systems {
    by_name: Arc<BTreeMap<String, Configured>>,
    accounts: Arc<Accounts>,
}

#[derive(Debug)]
struct Configured {
    kind_name: &'static str,
    takes_callbacks: bool,
    system: Arc<dyn System>,
    abilities: Abilities,
    masks: Masks,
    intervals: PollIntervals,
    lease_terms: Option<LeaseTerms>,
}

/// What the connections to one CI need.
#[derive(Debug, Default)]
pub struct Tls {
    /// Who signs the CI's certificate, besides those that the machine trusts.
    pub authority: Option<reqwest::Certificate>,
    /// What the CI is shown.
    pub identity: Option<reqwest::Identity>,
}

/// Records how long a call to a CI takes.
async fn timed<T>(ci: &str, call: impl Future<Output = T>) -> T {
    let began_at = Instant::now();
    let answer = call.await;
    metrics::histogram!("azdo_gateway_ci_request_seconds", "ci" => ci.to_owned())
        .record(began_at.elapsed());
    answer
}

/// What one CI can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    pub name: &'a str,
    /// The word of `kind`.
    pub kind: &'static str,
    pub abilities: Abilities,
    pub takes_callbacks: bool,
}

/// Why the CI systems cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("ci.{name}: {reason}")]
pub struct SetupError {
    name: String,
    reason: String,
}

impl Systems {
    /// `http` builds clients that follow no redirect.
    ///
    /// # Errors
    /// A certificate cannot be read.
    pub fn new(
        http: &dyn Fn(Tls) -> Result<reqwest::Client, String>,
        clock: &Clock,
        azure_devops: &Organizations,
        options: BTreeMap<String, Options>,
    ) -> Result<Self, SetupError> {
        let accounts = Arc::new(Accounts::default());
        let mut by_name = BTreeMap::new();
        for (name, options) in options {
            let failed = |reason: String| SetupError { name: name.clone(), reason };
            let Options { kind_name, common, kind } = options;
            let authority = common.ca_file.as_ref().map(|path| {
                let pem = std::fs::read(path).map_err(|error| error.to_string())?;
                reqwest::Certificate::from_pem(&pem).map_err(|error| error.to_string())
            });
            let identity = kind.client_identity().map(ClientIdentity::for_client).transpose();
            let identity = identity.map_err(|error| failed(error.to_string()))?;
            let authority = authority.transpose().map_err(failed)?;
            let http = http(Tls { authority, identity }).map_err(failed)?;
            let masks = Masks::new(kind.secrets());
            let account = accounts.get(&kind.account(&name), common.requests_per_minute);
            let client = Client {
                http,
                account,
                clock: clock.clone(),
                timeout: common.call_timeout,
                masks: masks.clone(),
                azure_devops: Arc::clone(azure_devops),
                lockout: kind.lockout(),
            };
            let intervals = PollIntervals {
                first: common.poll_interval,
                last: common.poll_interval_max,
                offset: offset(&name, common.poll_interval),
            };
            let configured = Configured {
                kind_name,
                takes_callbacks: kind.takes_callbacks(),
                system: kind.system(client),
                abilities: kind.abilities(),
                masks,
                intervals,
                lease_terms: kind.lease_terms(),
            };
            by_name.insert(name, configured);
        }
        Ok(Self { by_name: Arc::new(by_name), accounts })
    }

    /// What the CI of this name can be asked; nothing where there is none.
    pub fn abilities(&self, name: &str) -> Abilities {
        self.by_name.get(name).map(|it| it.abilities).unwrap_or_default()
    }

    /// How often the CI of this name is polled.
    pub fn intervals(&self, name: &str) -> Option<PollIntervals> {
        self.by_name.get(name).map(|it| it.intervals)
    }

    /// The CIs whose runs runners take, by name, with the terms.
    pub fn for_runners(&self) -> impl Iterator<Item = (&str, &LeaseTerms)> {
        self.by_name.iter().filter_map(|(name, it)| Some((name.as_str(), it.lease_terms.as_ref()?)))
    }

    /// What each can do, in the order of their names.
    pub fn listed(&self) -> impl Iterator<Item = Listed<'_>> {
        self.by_name.iter().map(|(name, it)| Listed {
            name,
            kind: it.kind_name,
            abilities: it.abilities,
            takes_callbacks: it.takes_callbacks,
        })
    }

    /// Asks the CI of this name to start a run.
    ///
    /// # Errors
    /// See [`Error`]. A refusal is no error.
    pub async fn start(&self, name: &str, trigger: &Trigger<'_>) -> Result<Started, Error> {
        let configured = self.get(name)?;
        let answer = timed(name, as_one(configured.system.start(trigger))).await;
        match configured.in_words(answer) {
            Err(Error::Refused { reason, .. }) => Ok(Started::Refused(reason)),
            answer => answer,
        }
    }

    /// Asks the CI of this name for a run that it may have started.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn find(&self, name: &str, run: &Run) -> Result<Option<Started>, Error> {
        let configured = self.get(name)?;
        configured.in_words(timed(name, as_one(configured.system.find(run))).await)
    }

    /// Asks the CI of this name how runs are: an answer for each, in the same order.
    pub async fn poll(&self, name: &str, runs: &[&Run]) -> Vec<Result<Observed, Error>> {
        match self.get(name) {
            Ok(configured) => {
                let answers = timed(name, configured.system.poll(runs)).await.into_iter();
                answers
                    .map(|answer| configured.in_words(answer).map(|it| configured.for_people(it)))
                    .collect()
            }
            Err(error) => runs.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// Tells the CI of this name to cancel a run.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn cancel(&self, name: &str, run: &Run) -> Result<Cancelled, Error> {
        let configured = self.get(name)?;
        let cancelled = as_one(configured.system.cancel(run, &run.reason));
        configured.in_words(timed(name, cancelled).await)
    }

    /// The runs that a callback of the CI of this name mentions.
    ///
    /// # Errors
    /// It is not from that CI; or there is no such CI, which is told alike.
    pub fn read_callback(
        &self,
        name: &str,
        callback: &Callback<'_>,
    ) -> Result<Vec<Mentioned>, CallbackError> {
        let configured = self.get(name).map_err(|_| CallbackError::Unauthorized)?;
        configured.system.read_callback(callback)
    }

    /// What is right and wrong with the CI of this name.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn check(&self, name: &str) -> Result<Vec<Finding>, Error> {
        let configured = self.get(name)?;
        let mut findings = as_one(configured.system.check()).await;
        for finding in &mut findings {
            finding.what = configured.masks.mask(&finding.what);
        }
        Ok(findings)
    }

    /// The request that would start a run, with secrets masked: a line for the address, one for
    /// each header, and the body.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn explain(&self, name: &str, trigger: &Trigger<'_>) -> Result<String, Error> {
        let configured = self.get(name)?;
        let call = configured.system.start_call(trigger)?;
        let mut lines = vec![format!("{} {}", call.method, call.url)];
        for (header, value) in &call.headers {
            let value = match value.is_sensitive() {
                true => "[secret]",
                false => value.to_str().unwrap_or_default(),
            };
            lines.push(format!("{header}: {value}"));
        }
        if let Some(body) = &call.body {
            let text = String::from_utf8_lossy(body);
            lines.push(text.replace(trigger.report_token.expose(), "[secret]"));
        }
        Ok(configured.masks.mask(&lines.join("\n")))
    }

    /// The pauses that began since the last call, to be stored.
    pub fn take_new_pauses(&self) -> Pauses {
        self.accounts.take_new_pauses()
    }

    /// Applies pauses that were stored.
    pub fn apply_pauses(&self, pauses: Pauses) {
        self.accounts.apply(pauses);
    }

    fn get(&self, name: &str) -> Result<&Configured, Error> {
        self.by_name.get(name).ok_or_else(|| Error::Unknown { name: name.to_owned() })
    }
}

impl Configured {
    /// What a CI says, as a status may show it: plain words, no secret, and a link that is safe.
    fn for_people(&self, observed: Observed) -> Observed {
        let words = observed.description.map(|text| self.plain(&text));
        Observed {
            description: words.filter(|text| !text.is_empty()),
            url: observed.url.as_deref().and_then(web_link),
            ..observed
        }
    }

    /// The same for why a CI did not do what it was asked to.
    fn in_words<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        answer.map_err(|error| error.reworded(|reason| self.plain(reason)))
    }

    fn plain(&self, text: &str) -> String {
        plain(&self.masks.mask(text), WORDS_CHARS_MAX)
    }
}

/// Moves the polls of one CI against those of others.
fn offset(name: &str, interval: std::time::Duration) -> std::time::Duration {
    let digest = Sha256::digest(name.as_bytes());
    let fraction = digest.first().map_or(0.0, |byte| f64::from(*byte) / 256.0);
    interval.mul_f64(fraction)
}
