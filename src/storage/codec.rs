//! How values are stored: JSON for records, LZ4 for bodies, compact bytes for keys. Every engine
//! uses these functions, so that one engine reads what another wrote.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// A stored value cannot be read, or a value cannot be stored.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct CodecError(String);

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, CodecError> {
    serde_json::to_string(value).map_err(|error| CodecError(error.to_string()))
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, CodecError> {
    serde_json::from_str(text).map_err(|error| CodecError(error.to_string()))
}

/// JSON whose texts have U+FFFD in the place of the character NUL: PostgreSQL refuses to look into
/// JSON with that character.
pub(super) fn without_nul(json: &str) -> Cow<'_, str> {
    const NUL: &str = "\\u0000";
    if !json.contains(NUL) {
        return json.into();
    }
    let (mut clean, mut rest) = (String::with_capacity(json.len()), json);
    while let Some((before, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        clean.push_str(before);
        rest = match (escape.strip_prefix(NUL), escape.split_at_checked(2)) {
            (Some(after), _) => {
                clean.push('\u{fffd}');
                after
            }
            // The backslash and the character behind it, which may be a backslash, too.
            (None, Some((pair, after))) => {
                clean.push_str(pair);
                after
            }
            (None, None) => {
                clean.push_str(escape);
                ""
            }
        };
    }
    clean.push_str(rest);
    clean.into()
}

/// LZ4, preceded by the length.
pub(super) fn compress(body: &[u8]) -> Vec<u8> {
    lz4_flex::compress_prepend_size(body)
}

pub(super) fn decompress(stored: &[u8]) -> Result<Vec<u8>, CodecError> {
    lz4_flex::decompress_size_prepended(stored).map_err(|error| CodecError(error.to_string()))
}

/// The key of an event: 16 bytes for a GUID, any other text as it is.
pub(super) fn event_key(event_id: &str) -> Vec<u8> {
    match Uuid::parse_str(event_id) {
        Ok(guid) => guid.as_bytes().to_vec(),
        Err(_) => event_id.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_body_is_read_back_and_a_damaged_one_is_refused() {
        let body = br#"{"eventType":"git.push"}"#.repeat(20);
        let stored = compress(&body);
        assert!(stored.len() < body.len());
        assert_eq!(decompress(&stored).unwrap(), body);
        assert!(decompress(&[0]).is_err());
    }

    #[test]
    fn json_has_no_nul_and_is_otherwise_as_it_was() {
        let texts = ["a\0b\0", "\\u0000", "\\\0\\", "\"\n\u{fffd}"];
        let json = to_json(&texts).unwrap();
        let stored: Vec<String> = from_json(&without_nul(&json)).unwrap();
        assert_eq!(stored, texts.map(|text| text.replace('\0', "\u{fffd}")));
        assert!(!without_nul(&to_json(&["\0"]).unwrap()).contains("u0000"));
    }

    #[test]
    fn a_guid_has_one_key_however_it_is_written() {
        let guid = "5d1f6d0b-3f4e-4f0a-9a54-c2f6f2f7b8a1";
        assert_eq!(event_key(guid), event_key(&guid.to_ascii_uppercase()));
        assert_eq!(event_key(guid).len(), 16);
        assert_eq!(event_key("an event"), b"an event");
    }
}
