//! Turns an error response of Entra into an [`Error`]: looks its number up, and cleans its
//! description of secrets and line breaks, since errors are stored, logged and shown.

use std::time::Duration;

use url::form_urlencoded;

use super::advice::{Context, Remedy, advise, is_known};
use super::error::{Error, Refusal};
use crate::domain::text::cut;
use crate::secret::Secret;

const DESCRIPTION_CHARS_MAX: usize = 300;
const ERROR_CHARS_MAX: usize = 60;
/// AADSTS50196: Entra has detected that the client requests tokens in a loop.
const LOOP_DETECTED: u32 = 50_196;
/// Long enough for Entra to see that the loop has ended.
const LOOP_WAIT: Duration = Duration::from_secs(5 * 60);

/// `codes` may be empty: the number is then taken from the description. `secrets` are those that
/// were sent.
pub(super) fn error(
    error: &str,
    description: &str,
    codes: &[u32],
    context: &Context<'_>,
    secrets: &[&Secret],
) -> Error {
    let known = codes.iter().copied().find(|code| is_known(*code));
    let code = known.or_else(|| codes.first().copied()).or_else(|| code_in(description));
    let advice = advise(code, error, context);
    if advice.remedy == Remedy::Wait {
        let reason = match code {
            Some(code) => format!("{advice} (AADSTS{code})"),
            None => advice.to_string(),
        };
        let retry_after = (code == Some(LOOP_DETECTED)).then_some(LOOP_WAIT);
        return Error::Transient { reason, retry_after };
    }
    Error::Refused(Refusal {
        code,
        error: clean(error, secrets, ERROR_CHARS_MAX),
        remedy: advice.remedy,
        advice: advice.to_string(),
        description: clean(description, secrets, DESCRIPTION_CHARS_MAX),
    })
}

/// The number after the first `AADSTS`.
fn code_in(description: &str) -> Option<u32> {
    let (_, after) = description.split_once("AADSTS")?;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after.get(..digits)?.parse().ok()
}

/// The first line, without trace ids and secrets. Secrets are removed before the text is cut, since
/// a half of one would not be found.
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
