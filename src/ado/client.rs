//! One call to Azure DevOps: builds the URL, consumes the credential, and maps the answer to a
//! value or an [`Error`].
//!
//! Azure DevOps answers a bad credential with 203 and a sign-in page, or a redirect to one; it
//! reports throttling with 200; it drops connections instead of answering 429
//! (docs/azure-devops.md §8). No credential is logged or returned.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::credential::Usage;
use super::late_body::{LateBody, MaySend};
use super::options::under;
use super::proxies::{SetupError, use_proxies};
use super::rate_headers::{RateHeaders, retry_after};
use super::{Credential, Error, Options, Throttle};
use crate::clock::Clock;
use crate::domain::text::cut;
use crate::secret::Secret;

/// The REST version in which every documented call here is generally available.
const API_VERSION: &str = "7.1";
/// One call, from connecting to the last byte.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(7);
/// The same for a list without pages, which takes long in a large organization.
pub(super) const LONG_CALL_MAX: Duration = Duration::from_secs(30);
const CONNECT_MAX: Duration = Duration::from_secs(4);
/// A longer answer is refused; lists without pages have limits of their own.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The header that holds the token of the next page (docs/azure-devops.md §8).
const CONTINUATION: &str = "x-ms-continuationtoken";
/// Characters of Azure DevOps' message that go into a reason.
const REASON_CHARS_MAX: usize = 300;

/// The HTTP client of all outgoing calls: follows no redirect, uses the proxies of the environment,
/// and every wait has a limit.
///
/// # Errors
/// See [`SetupError`].
pub fn http_client() -> Result<reqwest::Client, SetupError> {
    http_client_with(None, None)
}

/// The same, for servers whose certificates are signed by this one, and which are shown `identity`.
///
/// # Errors
/// See [`SetupError`].
pub fn http_client_with(
    certificate: Option<reqwest::Certificate>,
    identity: Option<reqwest::Identity>,
) -> Result<reqwest::Client, SetupError> {
    let builder = use_proxies(reqwest::Client::builder())?.tls_certs_merge(certificate);
    let builder = match identity {
        Some(identity) => builder.identity(identity),
        None => builder,
    };
    let client = builder
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_MAX)
        .timeout(CALL_MAX)
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("azdo-gateway/", env!("CARGO_PKG_VERSION")))
        .build()?;
    Ok(client)
}

/// The REST client of one organization.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    options: Options,
    throttle: Arc<Throttle>,
    clock: Clock,
}

/// Which of the two base URLs of an organization.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// Code, hooks, policies, builds.
    AzureDevOps,
    /// Tokens and identities.
    Identity,
}

/// One call, before it is made.
pub(super) struct Call<'a> {
    pub(super) host: Host,
    pub(super) method: Method,
    pub(super) segments: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<Value>,
    /// Asked when the body is written: where it says no, the body is withheld and the call fails.
    pub(super) may_send: Option<MaySend>,
    pub(super) api_version: &'static str,
    pub(super) answer_bytes_max: usize,
    /// From connecting to the last byte.
    pub(super) timeout: Duration,
    /// What it asks for must not be done twice: an answer that may be that of a proxy leaves in
    /// doubt whether it was done.
    pub(super) is_once: bool,
}

impl<'a> Call<'a> {
    /// A call without query and body, in [`API_VERSION`].
    pub(super) fn new(method: Method, segments: &'a [&'a str]) -> Self {
        let (host, api_version) = (Host::AzureDevOps, API_VERSION);
        let answer_bytes_max = ANSWER_BYTES_MAX;
        Self {
            host,
            method,
            segments,
            query: &[],
            body: None,
            may_send: None,
            api_version,
            answer_bytes_max,
            timeout: CALL_MAX,
            is_once: false,
        }
    }
}

impl Client {
    /// The client of the organization of `options`.
    pub fn new(
        http: reqwest::Client,
        options: Options,
        throttle: Arc<Throttle>,
        clock: Clock,
    ) -> Self {
        Self { http, options, throttle, clock }
    }

    /// Name and base URLs of the organization.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Makes a call about pipelines and builds, whose JSON the CI kind `azure_pipelines` knows: the
    /// path is below the organization, and the call takes `timeout` at most.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn call_pipelines(
        &self,
        credential: Credential,
        method: Method,
        segments: &[&str],
        query: &[(&str, &str)],
        body: Option<Value>,
        timeout: Duration,
    ) -> Result<Value, Error> {
        let is_once = method != Method::GET;
        let call = Call { query, body, timeout, is_once, ..Call::new(method, segments) };
        self.call(credential, call).await
    }

    /// Makes the call and returns the JSON of its answer. Reports the outcome to the receipt of the
    /// credential.
    pub(super) async fn call(
        &self,
        credential: Credential,
        call: Call<'_>,
    ) -> Result<Value, Error> {
        self.call_page(credential, call).await.map(|(answer, _)| answer)
    }

    /// As [`Client::call`] for one page of a list; also returns the token of the next page.
    pub(super) async fn call_page(
        &self,
        credential: Credential,
        call: Call<'_>,
    ) -> Result<(Value, Option<String>), Error> {
        let (authorization, receipt) = credential.spend();
        let (operation, counts_in_budget) =
            (operation(call.segments), call.host == Host::AzureDevOps);
        let method = call.method.to_string();
        let mut response_headers = HeaderMap::new();
        let began_at = Instant::now();
        let result = self.attempt(&authorization, call, &mut response_headers).await;
        metrics::histogram!("azdo_gateway_ado_request_seconds", "operation" => operation.clone())
            .record(began_at.elapsed());
        let header = |name: &str| response_headers.get(name).and_then(|value| value.to_str().ok());
        let activity_id = header("activityid").map(short);
        let next = header(CONTINUATION).filter(|token| !token.is_empty());
        let result = result.map(|answer| (answer, next.map(str::to_owned)));
        // The identity host has a rate budget of its own.
        if result.is_ok() && counts_in_budget {
            self.throttle.succeeded(&self.options.name, self.clock.now());
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
        response_headers: &mut HeaderMap,
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
            .timeout(call.timeout)
            .header(AUTHORIZATION, authorization(secret)?)
            .header(ACCEPT, "application/json")
            // Makes Azure DevOps answer 401 instead of redirecting to its sign-in page.
            .header("X-TFS-FedAuthRedirect", "Suppress");
        let mut was_withheld = None;
        if let Some(body) = &call.body {
            request = match call.may_send {
                None => request.json(body),
                Some(may_send) => {
                    let (body, withheld) = LateBody::new(body.to_string().into(), may_send);
                    was_withheld = Some(withheld);
                    let body = reqwest::Body::wrap(body);
                    request.header(CONTENT_TYPE, "application/json").body(body)
                }
            };
        }
        let sent = request.send().await;
        if was_withheld.is_some_and(|withheld| withheld.load(Ordering::Acquire)) {
            let reason = "the request was not sent: this process did not run for seconds".into();
            return Err(Error::Unavailable { reason, doubtful: false, retry_after: None });
        }
        let mut response = sent.map_err(|error| self.connection_error(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        response_headers.clone_from(&headers);
        self.throttle.apply(
            &self.options.name,
            &RateHeaders::of(status, &headers),
            self.clock.now(),
        );
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| self.connection_error(&error))?
        {
            if body.len() + chunk.len() > call.answer_bytes_max {
                let reason = format!("the answer is longer than {} bytes", call.answer_bytes_max);
                return Err(Error::Unavailable { reason, doubtful: true, retry_after: None });
            }
            body.extend_from_slice(&chunk);
        }
        let result = result_of(status, &headers, &body);
        if call.is_once { result.map_err(|error| in_doubt(status, error)) } else { result }
    }

    /// Counts a dropped connection: Azure DevOps may drop connections as a rate limit
    /// (docs/azure-devops.md §8). A failed connect or a time-out does not count.
    fn connection_error(&self, error: &reqwest::Error) -> Error {
        if !error.is_connect() && !error.is_timeout() && !error.is_builder() {
            self.throttle.connection_dropped(&self.options.name, self.clock.now());
        }
        unavailable(error)
    }
}

/// The name of a call in metrics: the last path segment that is no id, so that labels stay bounded.
fn operation(segments: &[&str]) -> String {
    let is_id = |segment: &str| {
        let is_number = segment.chars().all(|c| c.is_ascii_digit());
        let is_hex = |c: char| c.is_ascii_hexdigit() || c == '-';
        is_number || (segment.len() >= 32 && segment.chars().all(is_hex))
    };
    let word = segments.iter().rev().find(|segment| !is_id(segment));
    word.map(|word| word.to_lowercase()).unwrap_or_default()
}

/// Activity ids are GUIDs; a longer text is cut.
fn short(id: &str) -> String {
    cut(id, 64)
}

fn authorization(secret: &Secret) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| Error::Unauthorized {
        reason: "the token holds characters that are not allowed in a header".into(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn unavailable(error: &reqwest::Error) -> Error {
    let reason = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection was dropped before the whole answer came"
    };
    let reason = reason.to_owned();
    // Without a connection nothing was sent, so nothing can have been done.
    Error::Unavailable { reason, doubtful: !error.is_connect(), retry_after: None }
}

fn result_of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<Value, Error> {
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    if status == StatusCode::NON_AUTHORITATIVE_INFORMATION || status.is_redirection() {
        let reason = format!("the answer is {status} with a sign-in page");
        return Err(Error::Unauthorized { reason });
    }
    if status.is_success() && status == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    if status.is_success() && !is_json {
        let reason = format!("the answer is {status} with a page instead of JSON");
        return Err(Error::Unauthorized { reason });
    }
    if status.is_success() {
        return serde_json::from_slice(body).map_err(|error| Error::Unavailable {
            reason: format!("the answer is not complete JSON ({error})"),
            doubtful: true,
            retry_after: None,
        });
    }
    Err(error_of(status, headers, body, is_json))
}

/// 503 and a page with 200 may be answered by a proxy, after the request was passed on.
fn in_doubt(status: StatusCode, error: Error) -> Error {
    match error {
        Error::Unauthorized { reason } if status == StatusCode::OK => {
            Error::Unavailable { reason, doubtful: true, retry_after: None }
        }
        Error::Unavailable { reason, retry_after, .. } => {
            Error::Unavailable { reason, doubtful: true, retry_after }
        }
        other => other,
    }
}

/// The error document of Azure DevOps (docs/azure-devops.md §8).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Document {
    message: String,
    type_key: String,
    custom_properties: CustomProperties,
}

/// What is wrong with a build that was not queued (docs/ci.md, "Azure Pipelines").
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct CustomProperties {
    validation_results: Vec<ValidationResult>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ValidationResult {
    result: Value,
    message: String,
}

fn error_of(status: StatusCode, headers: &HeaderMap, body: &[u8], is_json: bool) -> Error {
    let document: Document = if is_json {
        serde_json::from_slice(body).unwrap_or_default()
    } else {
        Document::default()
    };
    let invalid = document.custom_properties.validation_results.iter();
    let invalid = invalid.filter(|one| !one.message.is_empty() && one.result != "ok");
    let invalid: Vec<_> = invalid.map(|one| one.message.as_str()).collect();
    let reason = if !invalid.is_empty() {
        // The message itself only says that there were errors.
        cut(&invalid.join("; "), REASON_CHARS_MAX)
    } else if document.message.is_empty() {
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
