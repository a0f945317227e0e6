//! Lists a page at a time: `?limit=`, `?cursor=`, `{items, next}`. A cursor is opaque to callers.
//! It must never know what is listed.

use std::collections::HashMap;
use std::str::FromStr;

use actix_web::web::Query;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::server::problem::Problem;
use crate::storage::{Page, Paged};

const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;

/// The parameters of a list call.
pub(super) type Parameters = Query<HashMap<String, String>>;

/// Refuses parameters that the list does not know: a misspelt filter must not list everything.
pub(super) fn only(parameters: &Parameters, known: &[&str]) -> Result<(), Problem> {
    let is_known = |name: &&String| {
        ["limit", "cursor"].contains(&name.as_str()) || known.contains(&name.as_str())
    };
    match parameters.keys().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => {
            let known = known.join(", ");
            Err(Problem::field(name, format!("unknown; there are limit, cursor, {known}")))
        }
    }
}

/// A parameter that has to parse.
pub(super) fn parsed<T: FromStr>(
    parameters: &Parameters,
    name: &str,
    wanted: &str,
) -> Result<Option<T>, Problem> {
    named(parameters, name, wanted, |text| text.parse().ok())
}

/// A parameter that has to be understood by `read`.
pub(super) fn named<T>(
    parameters: &Parameters,
    name: &str,
    wanted: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let read = |text: &String| {
        read(text).ok_or_else(|| Problem::field(name, format!("{wanted} is needed")))
    };
    parameters.get(name).map(read).transpose()
}

/// Which part of the list.
pub(super) fn page(parameters: &Parameters) -> Result<Page, Problem> {
    let wanted = format!("a number from 1 to {LIMIT_MAX}");
    let limit = parsed(parameters, "limit", &wanted)?.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field("limit", format!("{wanted} is needed")));
    }
    let decode = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        String::from_utf8(bytes).ok()?.parse().ok()
    };
    let before = named(parameters, "cursor", "what an earlier answer gave as `next`", decode)?;
    Ok(Page { limit, before })
}

/// `{items, next}`.
pub(super) fn listed<T>(page: Paged<T>, render: impl Fn(&T) -> Value) -> Value {
    let items: Vec<Value> = page.items.iter().map(render).collect();
    let next = page.next.map(|number| URL_SAFE_NO_PAD.encode(number.to_string()));
    json!({ "items": items, "next": next })
}
