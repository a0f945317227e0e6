//! Which api-version a request asks for, and whether ADO serves it.
//!
//! ADO refuses versions that it does not have, preview versions without `-preview`, and changes
//! without a version.

use crate::ado::rest::refusal::bad_protocol;
use crate::http::{Request, Response};

const OLDEST: (u32, u32) = (1, 0);

/// Refuses a version that is not served. `newest` is the newest released version; the minor version
/// after it is in preview.
pub(crate) fn check(
    request: &Request,
    newest: (u32, u32),
    preview_only: bool,
) -> Result<(), Response> {
    let Some(asked) = asked_version(request) else {
        // A read without a version gets the newest released one. A change without a version is
        // refused.
        return if request.method == "GET" { Ok(()) } else { Err(unspecified(&request.method)) };
    };
    let Some((version, is_preview)) = parse(&asked) else {
        return Err(bad_protocol(
            "VssInvalidApiVersionException",
            &format!("The api-version \"{asked}\" is not a version."),
        ));
    };
    let preview = (newest.0, newest.1 + 1);
    if version < OLDEST || version > preview || version.1 > 3 {
        return Err(bad_protocol("VssVersionOutOfRangeException", &out_of_range(&asked, newest)));
    }
    if (version == preview || preview_only) && !is_preview {
        return Err(bad_protocol(
            "VssInvalidPreviewVersionException",
            &format!("The requested version \"{asked}\" is in preview; add -preview to it."),
        ));
    }
    Ok(())
}

/// Refuses all versions but these, for calls that exist in preview only; returns the requested one.
pub(crate) fn check_one_of(
    request: &Request,
    newest: (u32, u32),
    served: &[&str],
) -> Result<String, Response> {
    let asked = asked_version(request).ok_or_else(|| unspecified(&request.method))?;
    check(request, newest, true)?;
    if served.contains(&asked.as_str()) {
        return Ok(asked);
    }
    Err(bad_protocol("VssVersionOutOfRangeException", &out_of_range(&asked, newest)))
}

fn asked_version(request: &Request) -> Option<String> {
    if let Some(version) = request.query("api-version") {
        return Some(version.to_owned());
    }
    let accept = request.header("accept")?;
    let parts = accept.split([';', ',']).map(str::trim);
    parts.filter_map(|part| part.strip_prefix("api-version=")).next().map(str::to_owned)
}

fn parse(text: &str) -> Option<((u32, u32), bool)> {
    let (number, preview) = match text.split_once("-preview") {
        Some((number, rest)) => (number, Some(rest)),
        None => (text, None),
    };
    let (major, minor) = number.split_once('.')?;
    if let Some(rest) = preview.filter(|rest| !rest.is_empty()) {
        rest.strip_prefix('.')?.parse::<u32>().ok()?;
    }
    Some(((major.parse().ok()?, minor.parse().ok()?), preview.is_some()))
}

fn out_of_range(asked: &str, newest: (u32, u32)) -> String {
    format!(
        "The requested REST API version of {asked} is out of range for this server. \
         The latest REST API version this server supports is {}.{}.",
        newest.0, newest.1,
    )
}

fn unspecified(method: &str) -> Response {
    let text = format!(
        "No api-version was supplied for the \"{method}\" request: add it to the query or Accept."
    );
    bad_protocol("VssVersionNotSpecifiedException", &text)
}
