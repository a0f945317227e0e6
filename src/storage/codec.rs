//! How values are stored: JSON for records, LZ4 for bodies, compact bytes for keys. Every engine
//! uses these functions, so that one engine reads what another wrote.

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
    fn a_guid_has_one_key_however_it_is_written() {
        let guid = "5d1f6d0b-3f4e-4f0a-9a54-c2f6f2f7b8a1";
        assert_eq!(event_key(guid), event_key(&guid.to_ascii_uppercase()));
        assert_eq!(event_key(guid).len(), 16);
        assert_eq!(event_key("an event"), b"an event");
    }
}
