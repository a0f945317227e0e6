//! CI kind `http`: any CI with an API, by templates of the calls that start, find, poll and cancel
//! a run (docs/ci.md, "Any other CI").
//!
//! Templates render values and never text, so no title of a pull request changes a request. A URL
//! begins with the configured host, whatever a value is.

/// Who the gateway is to the CI.
pub mod auth;
/// One call.
pub mod call;
mod callback;
mod cancel;
mod check;
mod find;
/// JSON pointers.
pub mod pointer;
mod poll;
/// What an answer says about a run.
pub mod rules;
/// What templates see, and trying them.
pub mod scope;
/// Signatures of requests.
pub mod sign;
mod trigger;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};

use super::account::as_one;
use super::callback::{Callback, CallbackError, Mentioned, Scheme};
use super::client::{self, Answer, Client};
use super::client_identity::ClientIdentity;
use super::error::{Error, Refusal};
use super::options::Kind;
use super::system::{Cancelled, Finding, Observed, System};
use super::text::plain;
use super::trigger::{Trigger, context_of};
use super::urls::{self, web_link};
use crate::domain::follow::Abilities;
use crate::domain::run::{Run, Started};
use crate::secret::Secret;
use auth::{Auth, Session};
use call::{Call, TextFrom, with};
use pointer::Pointer;
use sign::{Sign, signed};

/// Longer ids are none.
const ID_CHARS_MAX: usize = 512;
/// Runs that are polled at the same time, where each needs a call.
const POLLS_AT_ONCE: usize = 8;

/// The keys of this kind.
#[derive(Clone, Debug)]
pub struct Options {
    /// Host and port, as in the URL of `start`.
    pub host: String,
    pub auth: Option<Auth>,
    pub sign: Vec<Sign>,
    pub start: Call,
    pub find: Option<Call>,
    pub poll: Option<Call>,
    /// All are made, in this order.
    pub cancel: Vec<Call>,
    /// Whether results come from `poll`; otherwise they are reported.
    pub polls: bool,
    pub callback: Option<CallbackOptions>,
    /// How long a 429 locks the account out.
    pub lockout: Option<Duration>,
    pub client_identity: Option<ClientIdentity>,
}

/// Callbacks that the CI sends.
#[derive(Clone, Debug)]
pub struct CallbackOptions {
    pub scheme: Scheme,
    pub secrets: Vec<Secret>,
    pub names: Names,
}

/// What a callback names its run by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// The gateway's id.
    Run(Pointer),
    /// The CI's.
    Id(Pointer),
}

impl Options {
    /// Whether the id of a run is known before it is started.
    fn knows_id(&self) -> bool {
        matches!(self.start.id, Some(TextFrom::Value(_)))
            || (self.start.id.is_none() && self.start.then.is_none() && self.find.is_none())
    }
}

impl Kind for Options {
    fn abilities(&self) -> Abilities {
        Abilities {
            finds: self.find.is_some(),
            polls: self.polls,
            cancels: !self.cancel.is_empty(),
            knows_our_id: self.knows_id(),
            ..Abilities::default()
        }
    }

    fn secrets(&self) -> Vec<Secret> {
        let auth = self.auth.iter().flat_map(Auth::secrets);
        let signs = self.sign.iter().filter_map(|sign| match sign {
            Sign::HubSignature256(secret) => Some(secret.clone()),
            Sign::StandardWebhooks(_) => None,
        });
        let callback = self.callback.iter().flat_map(|it| it.secrets.iter().cloned());
        let calls = [Some(&self.start), self.find.as_ref(), self.poll.as_ref()];
        let calls = calls.into_iter().flatten().chain(&self.cancel).flat_map(Call::secrets);
        auth.chain(signs).chain(callback).chain(calls).collect()
    }

    fn account(&self, _name: &str) -> String {
        format!("http {}", self.host)
    }

    fn takes_callbacks(&self) -> bool {
        self.callback.is_some()
    }

    fn lockout(&self) -> Option<Duration> {
        self.lockout
    }

    fn client_identity(&self) -> Option<&ClientIdentity> {
        self.client_identity.as_ref()
    }

    fn render_for(&self, trigger: &Trigger<'_>) -> Result<(), String> {
        scope::render_all(self, trigger)
    }

    fn system(&self, client: Client) -> Arc<dyn System> {
        let session = Session::new(self.auth.clone(), client.clone());
        Arc::new(Http { options: self.clone(), client, session })
    }
}

/// See the module.
#[derive(Debug)]
struct Http {
    options: Options,
    client: Client,
    session: Session,
}

impl Http {
    /// What templates see about a run that was started or looked for.
    fn context(&self, run: &Run) -> Value {
        let context = context_of(run);
        let chosen = || match &self.options.start.id {
            Some(TextFrom::Value(template)) => template.render(&context).ok(),
            _ => None,
        };
        match run.ci_id.clone().or_else(chosen) {
            Some(id) => with(&context, "id", json!(id)),
            None => context,
        }
    }

    /// The request of a call, signed and authorized but for a login; and the JSON of its body.
    fn request(
        &self,
        call: &Call,
        context: &Value,
    ) -> Result<(client::Call, Option<Value>), Error> {
        let (request, body) = call.request.render_with_body(context)?;
        Ok((self.authorized(request, context), body))
    }

    fn authorized(&self, request: client::Call, context: &Value) -> client::Call {
        let now = self.client.clock.now();
        let request = signed(request, &self.options.sign, context, now);
        match &self.options.auth {
            Some(auth) => auth.apply(request),
            None => request,
        }
    }

    /// Sends a request that only asks, and returns the JSON of its answer.
    async fn ask(
        &self,
        call: &Call,
        request: client::Call,
        context: &Value,
    ) -> Result<Value, Error> {
        let answer = self.session.send(self.authorized(request, context)).await?;
        self.json(call, &answer)
    }

    fn json(&self, call: &Call, answer: &Answer) -> Result<Value, Error> {
        if !is_ok(call, answer) {
            return Err(self.failure(call, answer));
        }
        serde_json::from_slice(&answer.body).map_err(|_| Error::ambiguous("its answer is not JSON"))
    }

    /// What an answer means that is not `ok`.
    fn failure(&self, call: &Call, answer: &Answer) -> Error {
        let pointers: Vec<_> = call.error.iter().map(|it| it.text().to_owned()).collect();
        let status = answer.status.as_u16();
        let failure = self.client.failure_at(answer, &pointers);
        if call.statuses.refused.contains(&status) {
            return Error::refused(failure.to_string(), Refusal::Configuration);
        }
        if !call.statuses.retry.contains(&status) {
            return failure;
        }
        let retry_after = match &failure {
            Error::Unavailable { retry_after, .. } | Error::Ambiguous { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        };
        Error::Unavailable { reason: failure.to_string(), retry_after }
    }

    /// The id in an answer; none where it has none.
    async fn id(
        &self,
        call: &Call,
        answer: &Answer,
        body: &Value,
        context: &Value,
    ) -> Result<Option<String>, Error> {
        let Some(then) = &call.then else {
            return Ok(call.id.as_ref().and_then(|from| text(from, answer, body, context)));
        };
        let Some(value) = scalar(then.from.find(body)) else { return Ok(None) };
        let context = with(context, "value", value);
        let second = self.ask(call, then.request.render(&context)?, &context).await?;
        Ok(then
            .id
            .as_ref()
            .and_then(|pointer| urls::id(pointer.find(&second)))
            .filter(|id| is_id(id)))
    }

    /// The page of a run for people.
    fn web_url(
        &self,
        call: &Call,
        answer: Option<&Answer>,
        body: &Value,
        context: &Value,
    ) -> Option<String> {
        let found = match call.web_url.as_ref()? {
            TextFrom::Value(template) => template.render_in_url(context).ok(),
            TextFrom::Body(pointer) => pointer.find(body)?.as_str().map(str::to_owned),
            from @ TextFrom::Header { .. } => text(from, answer?, body, context),
        };
        found.as_deref().and_then(web_link)
    }

    fn plain(&self, text: &str) -> String {
        plain(&self.client.masks.mask(text), 400)
    }
}

fn is_ok(call: &Call, answer: &Answer) -> bool {
    let status = answer.status.as_u16();
    match &call.statuses.ok {
        Some(ok) => ok.contains(&status),
        None => answer.status.is_success() && !call.statuses.refused.contains(&status),
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_CHARS_MAX && !id.contains(char::is_control)
}

/// An id where the configuration says that it is.
fn text(from: &TextFrom, answer: &Answer, body: &Value, context: &Value) -> Option<String> {
    let found = match from {
        TextFrom::Body(pointer) => urls::id(pointer.find(body)),
        TextFrom::Value(template) => template.render(context).ok(),
        TextFrom::Header { name, segment } => {
            let header = answer.header(name.clone())?;
            match segment {
                None => Some(header.to_owned()),
                Some(segment) => path_segment(header, *segment),
            }
        }
    };
    found.filter(|id| is_id(id))
}

/// A segment of the path in a header, of which nothing else is believed.
fn path_segment(header: &str, segment: i64) -> Option<String> {
    let path = header.split(['?', '#']).next().unwrap_or_default();
    let path = path
        .split_once("://")
        .map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let segments: Vec<_> = path.split('/').filter(|it| !it.is_empty()).collect();
    let from_end = segment < 0;
    let index = usize::try_from(segment.unsigned_abs()).ok()?.checked_sub(1)?;
    let found = match from_end {
        true => segments.iter().rev().nth(index),
        false => segments.get(index),
    };
    let decoded = percent_encoding::percent_decode_str(found?).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

/// A text or number that goes into a URL.
fn scalar(found: Option<&Value>) -> Option<Value> {
    found.filter(|value| value.is_string() || value.is_number()).cloned()
}

#[async_trait]
impl System for Http {
    fn start_call(&self, trigger: &Trigger<'_>) -> Result<client::Call, Error> {
        let (call, _) = self.request(&self.options.start, &trigger.context()?)?;
        Ok(call)
    }

    async fn start(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        self.start_run(trigger).await
    }

    async fn find(&self, run: &Run) -> Result<Option<Started>, Error> {
        self.find_run(run).await
    }

    async fn poll(&self, runs: &[&Run]) -> Vec<Result<Observed, Error>> {
        let mut polls = Vec::with_capacity(runs.len());
        for run in runs {
            polls.push(as_one(self.poll_run(run)));
        }
        stream::iter(polls).buffered(POLLS_AT_ONCE).collect().await
    }

    async fn cancel(&self, run: &Run, reason: &str) -> Result<Cancelled, Error> {
        self.cancel_run(run, reason).await
    }

    fn read_callback(&self, callback: &Callback<'_>) -> Result<Vec<Mentioned>, CallbackError> {
        let options = self.options.callback.as_ref().ok_or(CallbackError::Unexpected)?;
        callback::read(options, callback)
    }

    async fn check(&self) -> Vec<Finding> {
        self.findings().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_path_of_a_location_is_believed() {
        for (header, segment, expected) in [
            ("https://evil.example/queue/item/17/", -1, Some("17")),
            ("/queue/item/17?x=/9", -1, Some("17")),
            ("https://ci/queue/item/17/api", 3, Some("17")),
            ("https://ci/a%20b", -1, Some("a b")),
            ("https://ci", -1, None),
            ("https://ci/a", 2, None),
            ("https://ci/a", 0, None),
        ] {
            assert_eq!(path_segment(header, segment).as_deref(), expected, "{header}");
        }
    }
}
