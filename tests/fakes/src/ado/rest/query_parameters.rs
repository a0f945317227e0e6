//! Query parameters that several calls have: numbers, pages, switches, points in time.
//!
//! A value of the wrong type is refused.

use std::str::FromStr;

use crate::ado::rest::refusal::bad_request;
use crate::http::{Request, Response};
use crate::timestamp;

/// A number; none where the parameter is not given.
pub(crate) fn number<N: FromStr>(request: &Request, name: &str) -> Result<Option<N>, Response> {
    let given = request.query(name).map(str::parse);
    given.transpose().map_err(|_| bad_request(&format!("{name} must be a number.")))
}

/// How many items to answer and how many to skip: `$top` or `top`, `$skip` or `skip`.
pub(crate) fn paging(request: &Request, default_top: usize) -> Result<(usize, usize), Response> {
    let either = |name: &str| match number(request, &format!("${name}"))? {
        None => number(request, name),
        given => Ok(given),
    };
    Ok((either("top")?.unwrap_or(default_top), either("skip")?.unwrap_or(0)))
}

/// The first and the last point in time of two search criteria, in milliseconds since 1970.
pub(crate) fn time_range(request: &Request, from: &str, to: &str) -> Result<(i64, i64), Response> {
    let bound = |name: &str, open_ms: i64| {
        let given = request.query(&format!("searchCriteria.{name}"));
        given.map_or(Ok(open_ms), |text| point_in_time(name, text))
    };
    Ok((bound(from, i64::MIN)?, bound(to, i64::MAX)?))
}

/// The point in time of a parameter, in milliseconds since 1970.
pub(crate) fn point_in_time(name: &str, text: &str) -> Result<i64, Response> {
    timestamp::parse_rfc3339(text)
        .ok_or_else(|| bad_request(&format!("{name}: '{text}' is not a timestamp.")))
}

/// Whether a switch is on; off where it is not given.
pub(crate) fn switch(request: &Request, name: &str) -> Result<bool, Response> {
    match request.query(name).map(str::to_ascii_lowercase).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(bad_request(&format!("{name} must be true or false, not '{other}'."))),
    }
}
