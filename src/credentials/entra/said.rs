//! From what Entra says to what the caller does: its words are cleaned, its number looked up.
//!
//! It must never let through a secret that was sent, a line break, or words without end: what comes
//! out of here is printed, stored and shown.

use std::time::Duration;

use url::form_urlencoded;

use super::advice::{Context, Remedy, advise, is_known};
use super::{Error, Refusal};
use crate::domain::status::cut;
use crate::secret::Secret;

const SAID_CHARS_MAX: usize = 300;
const ERROR_CHARS_MAX: usize = 60;
/// Entra has found that we ask in a loop (AADSTS50196).
const LOOP: u32 = 50_196;
/// Long enough for Entra to see that the loop has ended.
const LOOP_WAIT: Duration = Duration::from_secs(5 * 60);

/// `codes` may be empty: then the number is taken from the description.
pub(super) fn error(
    error: &str,
    description: &str,
    codes: &[u32],
    context: &Context<'_>,
    secrets: &[&Secret],
) -> Error {
    let known = codes.iter().copied().find(|code| is_known(*code));
    let code = known.or_else(|| codes.first().copied()).or_else(|| number(description));
    let advice = advise(code, error, context);
    let said = clean(description, secrets, SAID_CHARS_MAX);
    if advice.remedy == Remedy::Wait {
        let reason = match code {
            Some(code) => format!("{advice} (AADSTS{code})"),
            None => advice.to_string(),
        };
        let retry_after = (code == Some(LOOP)).then_some(LOOP_WAIT);
        return Error::Transient { reason, retry_after };
    }
    Error::Refused(Refusal {
        code,
        error: clean(error, secrets, ERROR_CHARS_MAX),
        remedy: advice.remedy,
        advice: advice.to_string(),
        said,
    })
}

/// The first `AADSTS` with a number behind it.
fn number(description: &str) -> Option<u32> {
    let (_, after) = description.split_once("AADSTS")?;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after.get(..digits)?.parse().ok()
}

/// The first line, without trace numbers and without anything that was sent in confidence. Secrets
/// go before the cut, which could otherwise leave a half of one.
fn clean(text: &str, secrets: &[&Secret], chars_max: usize) -> String {
    let line = text.trim_start().lines().next().unwrap_or("");
    let line = line.split_once("Trace ID:").map_or(line, |(before, _)| before);
    let mut line = line.to_owned();
    for secret in secrets.iter().map(|secret| secret.expose()).filter(|text| !text.is_empty()) {
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        line = line.replace(secret, "[secret]").replace(&encoded, "[secret]");
    }
    cut(&line, chars_max)
}
