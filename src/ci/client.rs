//! Calls to one CI: paced, bounded in time and size, without redirects, and with answers sorted
//! into classes.
//!
//! URLs come from the configuration and from ids, never from an answer (docs/ci.md, "Every kind").

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::account::Account;
use super::azure_devops::AzureDevOps;
use super::error::{Error, Refusal};
use super::rate_headers;
use super::text::{Masks, error_text_at};
use crate::clock::Clock;
use crate::secret::Secret;

/// More of an answer is not read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How long an account is left alone that limits the rate and does not say for how long.
pub const PAUSE: Duration = Duration::from_secs(60);

/// Azure DevOps as the identity of each organization, by name.
pub type Organizations = Arc<BTreeMap<String, Arc<dyn AzureDevOps>>>;

/// See the module.
#[derive(Clone, Debug)]
pub struct Client {
    /// Follows no redirect.
    pub(crate) http: reqwest::Client,
    pub(in crate::ci) account: Arc<Account>,
    pub(crate) clock: Clock,
    /// One call, from connecting to the last byte.
    pub(crate) timeout: Duration,
    /// What no text may contain.
    pub(crate) masks: Masks,
    /// Azure DevOps as the identity of each organization, by name; empty where no gateway runs.
    pub(crate) azure_devops: Organizations,
    /// How long a 429 without a time locks the account out.
    pub(crate) lockout: Option<Duration>,
}

/// A request, before it is sent.
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
    /// How long it may take, where that is not what all calls to its CI may take.
    pub(crate) timeout: Option<Duration>,
}

impl Call {
    /// A request without a body that asks for JSON.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self { method, url, headers, body: None, timeout: None }
    }

    pub(crate) fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    pub(crate) fn post(url: Url) -> Self {
        Self::new(Method::POST, url)
    }

    /// With a JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string().into_bytes())
    }

    /// With a form as its body.
    pub(crate) fn form(self, fields: &[(impl AsRef<str>, impl AsRef<str>)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.body("application/x-www-form-urlencoded", form.finish().into_bytes())
    }

    /// With a body of this content type, unless a header names another one.
    pub(crate) fn body(mut self, content_type: &'static str, body: Vec<u8>) -> Self {
        let content_type = HeaderValue::from_static(content_type);
        self.headers.entry(CONTENT_TYPE).or_insert(content_type);
        self.body = Some(body);
        self
    }

    /// With one more header. A value that no header can have is left out, and the CI refuses.
    pub(crate) fn header(mut self, name: impl TryInto<HeaderName>, value: &str) -> Self {
        if let (Ok(name), Ok(mut value)) = (name.try_into(), HeaderValue::from_str(value)) {
            // Nothing that logs headers shows them.
            value.set_sensitive(true);
            self.headers.insert(name, value);
        }
        self
    }

    /// With one more header that has nothing to hide.
    pub(crate) fn plain_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// With a user and a password, or a token in its place.
    pub(crate) fn basic(self, user: &str, password: &Secret) -> Self {
        let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
        self.header("authorization", &format!("Basic {pair}"))
    }

    /// With a bearer token.
    pub(crate) fn bearer(self, token: &Secret) -> Self {
        self.header("authorization", &format!("Bearer {}", token.expose()))
    }
}

/// What a CI answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A header as text.
    pub(crate) fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The last segment of the path in `Location`, of which nothing else is believed.
    pub(crate) fn id_in_location(&self) -> Option<String> {
        let location = self.header(LOCATION)?;
        let path = location.split(['?', '#']).next().unwrap_or_default();
        let last = path.trim_end_matches('/').rsplit('/').next()?;
        (!last.is_empty()).then(|| last.to_owned())
    }
}

impl Client {
    /// Sends a request once and reads the whole answer, whatever its status. An answer that limits
    /// the rate pauses the account.
    ///
    /// # Errors
    /// There is no answer, or the call must not be made yet.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, Error> {
        self.account.admit(self.clock.now())?;
        let Call { method, url, headers, body, timeout } = call;
        let timeout = timeout.unwrap_or(self.timeout);
        let mut request = self.http.request(method, url).timeout(timeout).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| lost(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response).await.map_err(|error| lost(&error))?;
        let answer = Answer { status, headers, body };
        self.pause_where_asked(&answer);
        Ok(answer)
    }

    /// Sends a request, and returns the JSON of a success only.
    ///
    /// # Errors
    /// See [`Client::failure`], and [`Client::send`]; a success without JSON is one, too.
    pub(crate) async fn succeed_with_json(&self, call: Call) -> Result<Value, Error> {
        let answer = self.succeed(call).await?;
        serde_json::from_slice(&answer.body).map_err(|_| self.failure(&answer))
    }

    /// Sends a request, and returns a success only.
    ///
    /// # Errors
    /// See [`Client::failure`], and [`Client::send`].
    pub(crate) async fn succeed(&self, call: Call) -> Result<Answer, Error> {
        let answer = self.send(call).await?;
        match answer.status.is_success() {
            true => Ok(answer),
            false => Err(self.failure(&answer)),
        }
    }

    /// What an answer other than a success means, where its kind says nothing else: 401 and 403 are
    /// about the credential, 404 and 410 about something that is not there; 408, 425, 429 and 500
    /// ask to try again, and after other server errors it may have been done.
    pub(crate) fn failure(&self, answer: &Answer) -> Error {
        self.failure_at(answer, &[])
    }

    /// The same, with pointers to the CI's words that are looked at first.
    pub(crate) fn failure_at(&self, answer: &Answer, pointers: &[String]) -> Error {
        let status = answer.status;
        let text = error_text_at(status, &answer.body, pointers, &self.masks);
        let retry_after = rate_headers::retry_after(&answer.headers, self.clock.now());
        match status.as_u16() {
            300..=399 => Error::refused(
                format!("it redirects ({}): write the address that it really has", status.as_u16()),
                Refusal::Configuration,
            ),
            // A page in place of data, as a proxy or a sign-in sends it.
            200..=299 => Error::Ambiguous { reason: text, retry_after },
            _ if self.is_limited(answer) => Error::Unavailable { reason: text, retry_after },
            401 | 403 => Error::refused(text, Refusal::Credential),
            404 | 410 => Error::refused(text, Refusal::Gone),
            408 | 425 | 429 | 500 | 501 => Error::Unavailable { reason: text, retry_after },
            500..=599 => Error::Ambiguous { reason: text, retry_after },
            _ => Error::refused(text, Refusal::Configuration),
        }
    }

    /// A 403 is about the rate where it has a time to wait, or says so, as GitHub sends it.
    fn is_limited(&self, answer: &Answer) -> bool {
        let now = self.clock.now();
        answer.status == StatusCode::FORBIDDEN
            && (rate_headers::retry_after(&answer.headers, now).is_some()
                || rate_headers::exhausted_for(&answer.headers, now).is_some()
                || says_rate_limit(&answer.body))
    }

    fn pause_where_asked(&self, answer: &Answer) {
        let now = self.clock.now();
        let status = answer.status.as_u16();
        let asked = rate_headers::retry_after(&answer.headers, now)
            .filter(|_| matches!(status, 403 | 429 | 503));
        let exhausted = rate_headers::exhausted_for(&answer.headers, now);
        let is_about_rate = status == 429 || self.is_limited(answer);
        let default = is_about_rate.then_some(self.lockout.unwrap_or(PAUSE));
        // A lockout lasts as long as it lasts, whatever the answer says.
        let lockout = self.lockout.filter(|_| status == 429);
        let Some(wait) = lockout.max(asked.or(exhausted).or(default)) else { return };
        let reason = format!("it limits the rate of calls ({status})");
        self.account.pause(wait, &reason, now);
    }
}

fn lost(error: &reqwest::Error) -> Error {
    if error.is_connect() {
        return Error::Unavailable { reason: "no connection".to_owned(), retry_after: None };
    }
    Error::ambiguous(match error.is_timeout() {
        true => "no answer in time",
        false => "the connection was lost before the whole answer had arrived",
    })
}

/// Whether the words of an answer are about the rate of calls.
fn says_rate_limit(body: &[u8]) -> bool {
    let message = serde_json::from_slice::<Value>(body).ok();
    let message = message.as_ref().and_then(|body| body.get("message")?.as_str());
    message.is_some_and(|text| text.to_ascii_lowercase().contains("rate limit"))
}

/// The beginning of the answer; what is longer is no answer of an API.
async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            body.truncate(ANSWER_BYTES_MAX);
            break;
        }
    }
    Ok(body)
}
