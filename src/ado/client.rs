//! One call to Azure DevOps: builds the URL, spends the credential, and reads the answer for what
//! it really is.
//!
//! Azure DevOps answers a bad credential with 203 and a sign-in page, or a redirect to one; it
//! throttles with 200; it drops connections instead of saying 429 (docs/azure-devops.md §8). It
//! must never log nor return a credential.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::credential::Usage;
use super::pace::{Pace, retry_after};
use super::{Credential, Error, Options, Throttle};
use crate::clock::Clock;
use crate::domain::status::cut;
use crate::secret::Secret;

/// The version that every documented call of ours is generally available in.
const API_VERSION: &str = "7.1";
/// One call, from connecting to the last byte.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(7);
/// The same for a list without pages in a large organization.
const LONG_CALL_MAX: Duration = Duration::from_secs(30);
const CONNECT_MAX: Duration = Duration::from_secs(4);
/// Answers are small; what is larger is not for us, but for the one list that has no pages.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What the next page of some lists is asked for by (docs/azure-devops.md §8).
const CONTINUATION: &str = "x-ms-continuationtoken";
/// How much of somebody else's words goes into a reason.
const REASON_CHARS_MAX: usize = 300;

/// The client that all calls share. It follows no redirect and waits for nothing without end.
///
/// # Errors
/// The TLS set-up of this machine is broken.
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_MAX)
        .timeout(CALL_MAX)
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("azdo-gateway/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Calls to one organization.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    options: Options,
    throttle: Arc<Throttle>,
    clock: Clock,
}

/// Which of the two addresses of an organization.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// Code, hooks, policies, builds.
    AzureDevOps,
    /// Tokens and people.
    Identity,
}

/// One call, before it is made.
pub(super) struct Call<'a> {
    pub(super) host: Host,
    pub(super) method: Method,
    pub(super) segments: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<Value>,
    pub(super) api_version: &'static str,
    pub(super) answer_bytes_max: usize,
    /// For the lists that have no pages.
    pub(super) is_long: bool,
}

impl<'a> Call<'a> {
    /// A call with neither query nor body, in the version that is generally available.
    pub(super) fn new(method: Method, segments: &'a [&'a str]) -> Self {
        let (host, api_version) = (Host::AzureDevOps, API_VERSION);
        let answer_bytes_max = ANSWER_BYTES_MAX;
        Self {
            host,
            method,
            segments,
            query: &[],
            body: None,
            api_version,
            answer_bytes_max,
            is_long: false,
        }
    }
}

impl Client {
    /// For the organization of `options`.
    pub fn new(
        http: reqwest::Client,
        options: Options,
        throttle: Arc<Throttle>,
        clock: Clock,
    ) -> Self {
        Self { http, options, throttle, clock }
    }

    /// Where the organization is.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Makes the call and reads the JSON of its answer. Whoever lent the credential is told.
    pub(super) async fn call(
        &self,
        credential: Credential,
        call: Call<'_>,
    ) -> Result<Value, Error> {
        self.call_page(credential, call).await.map(|(answer, _)| answer)
    }

    /// The same for one page of a list, and what the next one is asked for with.
    pub(super) async fn call_page(
        &self,
        credential: Credential,
        call: Call<'_>,
    ) -> Result<(Value, Option<String>), Error> {
        let (authorization, receipt) = credential.spend();
        let (operation, is_theirs) = (operation(call.segments), call.host == Host::AzureDevOps);
        let method = call.method.to_string();
        let mut told = HeaderMap::new();
        let result = self.attempt(&authorization, call, &mut told).await;
        let header = |name: &str| told.get(name).and_then(|value| value.to_str().ok());
        let activity_id = header("activityid").map(short);
        let next = header(CONTINUATION).filter(|token| !token.is_empty());
        let result = result.map(|answer| (answer, next.map(str::to_owned)));
        // Tokens are minted elsewhere: that they are says nothing about the budget.
        if result.is_ok() && is_theirs {
            self.throttle.succeeded(&self.options.name);
        }
        let outcome = match &result {
            Ok(_) => "ok",
            Err(Error::RateLimited { .. }) => "rate_limited",
            Err(Error::Unauthorized { .. }) => "unauthorized",
            Err(Error::Forbidden { .. }) => "forbidden",
            Err(Error::Unavailable { .. }) => "unavailable",
            Err(_) => "rejected",
        };
        if let Some(receipt) = receipt {
            let operation = format!("{method} {operation}");
            let error = result.as_ref().err().cloned();
            receipt.used(Usage { operation, error, activity_id });
        }
        metrics::counter!("azdo_gateway_ado_requests_total", "operation" => operation,
            "method" => method, "outcome" => outcome)
        .increment(1);
        result
    }

    async fn attempt(
        &self,
        secret: &Secret,
        call: Call<'_>,
        told: &mut HeaderMap,
    ) -> Result<Value, Error> {
        let base = match call.host {
            Host::AzureDevOps => &self.options.azure_devops_url,
            Host::Identity => &self.options.identity_url,
        };
        let mut url = under(base, call.segments);
        url.query_pairs_mut().extend_pairs(call.query).append_pair("api-version", call.api_version);
        let mut request = self
            .http
            .request(call.method, url)
            .header(AUTHORIZATION, authorization(secret)?)
            .header(ACCEPT, "application/json")
            // Asks for 401 where Azure DevOps would redirect to its sign-in page.
            .header("X-TFS-FedAuthRedirect", "Suppress");
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if call.is_long {
            request = request.timeout(LONG_CALL_MAX);
        }
        let mut response = request.send().await.map_err(|error| self.broken(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        told.clone_from(&headers);
        self.throttle.heed(&self.options.name, &Pace::of(status, &headers), self.clock.now());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > call.answer_bytes_max {
                let reason = format!("its answer is longer than {} bytes", call.answer_bytes_max);
                return Err(Error::Unavailable { reason, doubtful: true, retry_after: None });
            }
            body.extend_from_slice(&chunk);
        }
        understand(status, &headers, &body)
    }

    /// A connection that broke: three of them are a limit that is not told (docs/azure-devops.md
    /// §8). One that was never made, or an answer that takes too long, says nothing about the
    /// budget.
    fn broken(&self, error: &reqwest::Error) -> Error {
        if !error.is_connect() && !error.is_timeout() && !error.is_builder() {
            self.throttle.broke(&self.options.name, self.clock.now());
        }
        unavailable(error)
    }
}

/// What a call does, by the last word of its path: ids would be a new name each.
fn operation(segments: &[&str]) -> String {
    let is_id = |segment: &str| {
        let is_number = segment.chars().all(|c| c.is_ascii_digit());
        let is_hex = |c: char| c.is_ascii_hexdigit() || c == '-';
        is_number || (segment.len() >= 32 && segment.chars().all(is_hex))
    };
    let word = segments.iter().rev().find(|segment| !is_id(segment));
    word.map(|word| word.to_lowercase()).unwrap_or_default()
}

/// `base` with further path segments, each percent-encoded.
pub(super) fn under(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // Only `data:` and the like have no segments; the configuration takes http and https.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// Ids are short; what is longer is none.
fn short(id: &str) -> String {
    cut(id, 64)
}

fn authorization(secret: &Secret) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| Error::Unauthorized {
        reason: "it holds characters that no token has".into(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn unavailable(error: &reqwest::Error) -> Error {
    let reason = match () {
        () if error.is_timeout() => "no answer in time".to_owned(),
        () if error.is_connect() => "no connection".to_owned(),
        () => "the connection broke before the whole answer came".to_owned(),
    };
    // Without a connection nothing was sent, so nothing can have been done.
    Error::Unavailable { reason, doubtful: !error.is_connect(), retry_after: None }
}

fn understand(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<Value, Error> {
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    if status == StatusCode::NON_AUTHORITATIVE_INFORMATION || status.is_redirection() {
        let reason = format!("it answers {status} with its sign-in page");
        return Err(Error::Unauthorized { reason });
    }
    if status.is_success() && status == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    if status.is_success() && !is_json {
        let reason = format!("it answers {status} with a page instead of data");
        return Err(Error::Unauthorized { reason });
    }
    if status.is_success() {
        return serde_json::from_slice(body).map_err(|error| Error::Unavailable {
            reason: format!("its answer is no whole JSON ({error})"),
            doubtful: true,
            retry_after: None,
        });
    }
    Err(refusal(status, headers, body, is_json))
}

/// The error document of Azure DevOps (docs/azure-devops.md §8).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Document {
    message: String,
    type_key: String,
}

fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8], is_json: bool) -> Error {
    let document: Document = if is_json {
        serde_json::from_slice(body).unwrap_or_default()
    } else {
        Document::default()
    };
    let reason = if document.message.is_empty() {
        format!("{status} without an explanation")
    } else {
        cut(&document.message, REASON_CHARS_MAX)
    };
    match (status.as_u16(), document.type_key.as_str()) {
        (_, "GitPullRequestStatusNotEditableException") => Error::NotEditable,
        (_, "GitPullRequestStatusRejectedByPolicyException") => Error::WrongIteration { reason },
        (401, _) => Error::Unauthorized { reason },
        (403, _) => Error::Forbidden { reason },
        (404, _) => Error::NotFound { reason },
        (429, _) => Error::RateLimited { retry_after: retry_after(headers), reason },
        (408 | 500..=599, _) => Error::Unavailable {
            reason,
            doubtful: !matches!(status.as_u16(), 503),
            retry_after: retry_after(headers),
        },
        (status, _) => Error::Rejected { status, reason },
    }
}
