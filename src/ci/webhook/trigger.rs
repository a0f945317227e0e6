//! Starts a run with one signed request. What the answer means: 2xx started, 4xx refused with the
//! CI's message, everything else try again.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use url::Url;

use super::signature::{SigningSecret, signatures};
use crate::ci::error::Error;
use crate::ci::trigger::Trigger;
use crate::domain::run::Started;
use crate::domain::status::cut;

/// One attempt, from connecting to the last byte. Source: Standard Webhooks, "15 to 30 s".
pub const ATTEMPT_MAX: Duration = Duration::from_secs(15);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Characters of the CI's message that go into a status.
const MESSAGE_CHARS_MAX: usize = 160;

/// Makes one attempt.
///
/// # Errors
/// No answer, or one that asks to try again.
pub async fn start(
    http: &reqwest::Client,
    url: &Url,
    secrets: &[SigningSecret],
    trigger: &Trigger<'_>,
) -> Result<Started, Error> {
    let id = trigger.run.id.to_string();
    let timestamp_s = trigger.sent_at.ms() / 1_000;
    let body = trigger.to_json().to_string();
    let request = http
        .post(url.clone())
        .timeout(ATTEMPT_MAX)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &id)
        .header("webhook-timestamp", timestamp_s.to_string())
        .header("webhook-signature", signatures(secrets, &id, timestamp_s, body.as_bytes()))
        .body(body);
    let response = request.send().await.map_err(|error| unavailable(&error))?;
    let (status, retry_after) = (response.status(), retry_after(&response));
    let body = read(response).await.map_err(|error| unavailable(&error))?;
    judge(status, retry_after, &body)
}

fn unavailable(error: &reqwest::Error) -> Error {
    let reason = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection was lost before the whole answer had arrived"
    };
    Error::Unavailable { reason: reason.to_owned(), retry_after: None }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The beginning of the answer; the rest is not needed.
async fn read(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
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

/// What the CI may say about the run that it has started.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    id: Option<serde_json::Value>,
    url: Option<String>,
}

fn judge(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Result<Started, Error> {
    match status.as_u16() {
        // The run has been started, also when the body cannot be understood.
        200..=299 => Ok(accepted(body)),
        408 | 425 | 429 | 500..=599 => {
            Err(Error::Unavailable { reason: format!("it answers {status}"), retry_after })
        }
        _ => Ok(Started::Refused(message(status, body))),
    }
}

fn accepted(body: &[u8]) -> Started {
    let answer: Answer = serde_json::from_slice(body).unwrap_or_default();
    let ci_id = answer.id.and_then(|id| match id {
        serde_json::Value::String(id) => Some(id),
        serde_json::Value::Number(id) => Some(id.to_string()),
        _ => None,
    });
    // People click on the link, so only schemes that are safe in a browser are taken over.
    let is_link =
        |url: &String| Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    Started::Accepted { ci_id, url: answer.url.filter(is_link) }
}

fn message(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = cut(&text, MESSAGE_CHARS_MAX);
    if text.is_empty() || text.starts_with('<') {
        return format!("it answers {status}");
    }
    format!("{text} ({})", status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Result<Started, Error> {
        judge(StatusCode::from_u16(status).unwrap(), None, body.as_bytes())
    }

    #[test]
    fn the_status_decides_between_started_refused_and_unavailable() {
        let named = Started::Accepted { ci_id: Some("7".into()), url: Some("https://ci/7".into()) };
        assert_eq!(judged(200, r#"{"id":7,"url":"https://ci/7"}"#), Ok(named));
        let unnamed = Started::Accepted { ci_id: None, url: None };
        for body in ["", "OK", "[]", r#"{"url":"javascript:alert(1)"}"#, r#"{"url":5}"#] {
            assert_eq!(judged(202, body), Ok(unnamed.clone()), "{body}");
        }
        assert_eq!(judged(404, "no such job"), Ok(Started::Refused("no such job (404)".into())));
        let page = Started::Refused("it answers 403 Forbidden".into());
        assert_eq!(judged(403, "<html>…</html>"), Ok(page));
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(judged(status, "").is_err(), "{status}");
        }
        assert!(matches!(judged(302, ""), Ok(Started::Refused(_))));
    }
}
