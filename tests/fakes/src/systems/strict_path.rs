//! Paths as most servers read them: a slash at the end, or two in a row, make another path.

use crate::http::percent_decoded;

/// The segments, decoded; none where one of them is empty.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    let parts = path.strip_prefix('/')?.split('/');
    parts.map(|part| (!part.is_empty()).then(|| percent_decoded(part))).collect()
}
