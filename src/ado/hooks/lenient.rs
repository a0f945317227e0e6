//! Reads JSON values that may have an unexpected type.
//!
//! A value is kept as raw text and parsed when it is used, so that one field of a wrong type does
//! not make the whole delivery unreadable.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::value::RawValue;

/// The raw text of a value; none when it is absent or null.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// A string.
pub(super) fn text(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    let raw = raw?.get();
    serde_json::from_str(raw).ok().map(|Text(text)| text)
}

/// A string that is not blank.
pub(super) fn filled(raw: Raw<'_>) -> Option<String> {
    text(raw).filter(|text| !text.trim().is_empty()).map(Cow::into_owned)
}

/// A whole number, also when given as a string or as `7.0`.
pub(super) fn number(raw: Raw<'_>) -> Option<i64> {
    let quoted = text(raw);
    let digits = quoted.as_deref().or(raw.map(RawValue::get))?.trim();
    digits.parse().ok().or_else(|| whole(digits.parse().ok()?))
}

/// Floats hold every whole number up to this one.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

fn whole(float: f64) -> Option<i64> {
    (float.fract() == 0.0 && float.abs() <= WHOLE_MAX).then_some(float as i64)
}

/// Whether it is `true`, also when given as a string.
pub(super) fn flag(raw: Raw<'_>) -> bool {
    let is_true = |text: &str| text.eq_ignore_ascii_case("true");
    raw.is_some_and(|raw| is_true(raw.get())) || text(raw).as_deref().is_some_and(is_true)
}

/// An object, by the fields of `T`.
pub(super) fn object<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Option<T> {
    // serde would also read a list into a struct.
    let object = raw.map(RawValue::get).filter(|text| text.starts_with('{'))?;
    serde_json::from_str(object).ok()
}

/// The objects of a list; none when the value is no list. Other items are left out.
pub(super) fn objects<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Option<Vec<T>> {
    let list: Vec<Raw<'a>> = serde_json::from_str(raw?.get()).ok()?;
    Some(list.into_iter().filter_map(object).collect())
}

/// An id, in lower case: mostly a GUID. A text with characters that need escaping in a URL is no
/// id.
pub(super) fn id(raw: Raw<'_>) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let id = text(raw).filter(|id| !id.is_empty() && id.chars().all(is_plain))?;
    Some(id.to_ascii_lowercase())
}

/// Characters of the longest object id, SHA-256.
const OBJECT_ID_CHARS_MAX: usize = 64;

/// A git object id, in lower case, the all-zero one included: see [`is_zero`].
pub(super) fn object_id(raw: Raw<'_>) -> Option<String> {
    let is_hex = |c: char| c.is_ascii_hexdigit() || c == '-';
    id(raw).filter(|id| id.len() <= OBJECT_ID_CHARS_MAX && id.chars().all(is_hex))
}

/// Whether an id means "none": 40 or 64 zeros for objects (Microsoft Learn: "Pushes -
/// Create"), the zero GUID for everything else, and for objects in the published samples.
pub(super) fn is_zero(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c == '0' || c == '-')
}

/// A string, borrowed where it has no escapes. Half a surrogate pair becomes `U+FFFD`.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_bytes(OfBytes).map(Text)
    }
}

struct OfBytes;

impl<'de> Visitor<'de> for OfBytes {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a string")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(String::from_utf8_lossy(bytes))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(String::from_utf8_lossy(bytes).into_owned()))
    }
}
