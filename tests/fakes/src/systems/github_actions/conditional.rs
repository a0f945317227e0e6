//! Answers that a caller has already, by their ETag.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::http::{Request, Response};

/// The answer with its ETag; 304 where the caller has it already.
pub(super) fn conditional(request: &Request, response: Response) -> Response {
    if request.method != "GET" || response.status != 200 {
        return response;
    }
    let mut tag = "\"".to_owned();
    for byte in Sha256::digest(&response.body) {
        _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    let known = request.header("if-none-match").unwrap_or_default();
    let is_known = known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag);
    let response = response.with_header("etag", &format!("W/{tag}"));
    match is_known {
        true => Response { status: 304, body: Vec::new(), ..response },
        false => response,
    }
}
