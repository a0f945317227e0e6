//! Reads the outermost fields of a delivery, by which it is stored: one pass over the body, without
//! parsing the resource and without copying text that has no escapes. A field of a wrong type
//! counts as absent.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use super::lenient::{Raw, is_zero, number, text};
use crate::domain::time::Timestamp;

/// Bytes of a field that a database has in an index, where rows have to be short. Azure DevOps
/// sends a tenth.
const INDEXED_BYTES_MAX: usize = 500;

/// The outermost fields of a delivery (docs/azure-devops.md §2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Lower case; absent in tests of subscriptions that are not saved yet (the zero GUID).
    pub subscription_id: Option<Cow<'a, str>>,
    /// Counts upwards within a subscription; with it, the key of a delivery.
    pub notification_id: Option<i64>,
    /// Lower case; the same for every subscription that an event is delivered to.
    pub event_id: Option<Cow<'a, str>>,
    pub event_type: Option<Cow<'a, str>>,
    pub created_at: Option<Timestamp>,
}

/// Why a body is not a delivery, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUnderstood {
    /// Such as `not JSON: expected value at line 1 column 1`; quotes nothing of the body.
    pub reason: String,
}

impl fmt::Display for NotUnderstood {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.reason)
    }
}

impl std::error::Error for NotUnderstood {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    subscription_id: Raw<'a>,
    #[serde(borrow)]
    notification_id: Raw<'a>,
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    event_type: Raw<'a>,
    #[serde(borrow)]
    created_date: Raw<'a>,
}

/// Reads the outermost fields.
///
/// # Errors
/// The body is not a JSON object.
pub fn envelope(body: &[u8]) -> Result<Envelope<'_>, NotUnderstood> {
    let fields: Fields<'_> = outermost(body)?;
    Ok(Envelope {
        subscription_id: key(fields.subscription_id).filter(|id| !is_zero(id)),
        notification_id: number(fields.notification_id),
        event_id: key(fields.id),
        event_type: text(fields.event_type).filter(|name| !name.is_empty()).map(shortened),
        created_at: text(fields.created_date).and_then(|at| Timestamp::parse(&at)),
    })
}

fn key(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    let id = text(raw).filter(|id| !id.is_empty())?;
    if id.len() > INDEXED_BYTES_MAX {
        // As good a key, and short.
        return Some(Cow::Owned(URL_SAFE_NO_PAD.encode(Sha256::digest(id.to_ascii_lowercase()))));
    }
    if id.contains(|c: char| c.is_ascii_uppercase()) {
        return Some(Cow::Owned(id.to_ascii_lowercase()));
    }
    Some(id)
}

fn shortened(mut name: Cow<'_, str>) -> Cow<'_, str> {
    if name.len() > INDEXED_BYTES_MAX {
        let ends = (0..=INDEXED_BYTES_MAX).rev().find(|end| name.is_char_boundary(*end));
        name.to_mut().truncate(ends.unwrap_or_default());
    }
    name
}

/// The outermost object of a body, with or without a byte order mark (Azure DevOps Server sends
/// one at times).
pub(super) fn outermost<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, NotUnderstood> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let Some(first) = body.iter().find(|byte| !byte.is_ascii_whitespace()) else {
        return Err(because("empty"));
    };
    if *first != b'{' {
        return Err(match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(_) => because("not an object: JSON of another kind at line 1 column 1"),
            Err(error) => refused(&error),
        });
    }
    serde_json::from_slice(body).map_err(|error| refused(&error))
}

/// Values are kept raw, so that `serde_json` meets none of an unwanted type and its messages quote
/// nothing of the body.
fn refused(error: &serde_json::Error) -> NotUnderstood {
    because(&format!("not JSON: {error}"))
}

fn because(reason: &str) -> NotUnderstood {
    NotUnderstood { reason: reason.to_owned() }
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
