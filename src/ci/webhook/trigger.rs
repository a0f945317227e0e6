//! What the answer to a trigger means: 2xx started, 4xx refused with the CI's message, everything
//! else try again.

use serde::Deserialize;
use serde_json::Value;

use crate::ci::client::{Answer, Client};
use crate::ci::error::{Error, Refusal};
use crate::ci::text::error_text;
use crate::ci::urls::{id, web_url};
use crate::domain::run::Started;

/// What the CI may say about the run that it has started.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply {
    id: Option<Value>,
    url: Option<Value>,
}

pub(super) fn read(client: &Client, answer: &Answer) -> Result<Started, Error> {
    match answer.status.as_u16() {
        // The run has been started, also when the body cannot be understood.
        200..=299 => Ok(accepted(&answer.body)),
        408 | 425 | 429 | 500..=599 => Err(client.failure(answer)),
        _ => {
            let text = error_text(answer.status, &answer.body, &client.masks);
            Err(Error::refused(text, Refusal::Configuration))
        }
    }
}

fn accepted(body: &[u8]) -> Started {
    let reply: Reply = serde_json::from_slice(body).unwrap_or_default();
    Started::Accepted { ci_id: id(reply.id.as_ref()), url: web_url(reply.url.as_ref()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_is_a_start_whatever_it_says() {
        let named = Started::Accepted { ci_id: Some("7".into()), url: Some("https://ci/7".into()) };
        assert_eq!(accepted(br#"{"id":7,"url":"https://ci/7"}"#), named);
        let unnamed = Started::Accepted { ci_id: None, url: None };
        for body in ["", "OK", "[]", r#"{"url":"javascript:alert(1)"}"#, r#"{"url":5}"#] {
            assert_eq!(accepted(body.as_bytes()), unnamed, "{body}");
        }
    }
}
