//! Filters and pages of lists. Builds are listed newest first.

use serde_json::Value;

use super::{Build, World, refusal, render};
use crate::http::{Request, Response};
use crate::timestamp::parse_rfc3339;

const STATES: [&str; 12] = [
    "creating",
    "scheduled",
    "running",
    "passed",
    "failing",
    "failed",
    "blocked",
    "canceling",
    "canceled",
    "skipped",
    "not_run",
    "finished",
];

/// The builds that the query asks for, a page of them.
pub(super) fn list(world: &World, request: &Request, now_ms: i64) -> Result<Response, Response> {
    let (page, per_page) = (number(request, "page", 1)?, number(request, "per_page", 30)?);
    let per_page = per_page.min(100);
    let skipped = (page - 1).saturating_mul(per_page);
    if skipped.saturating_add(per_page) > world.deepest {
        return Err(refusal(
            400,
            "Listing builds this deep is not supported. Please narrow your query using filters \
             such as branch or created_from.",
        ));
    }
    let is_listed = |build: &&Build| {
        !build.is_gone && build.started_ms.saturating_add(world.list_lag_ms) <= now_ms
    };
    let mut wanted = Vec::new();
    for build in world.builds.all().iter().rev().filter(is_listed) {
        if is_wanted(world, build, request)? {
            wanted.push(build);
        }
    }
    let of_page = wanted.iter().skip(skipped).take(per_page);
    let all: Vec<Value> = of_page.map(|build| render::build_for(world, build, request)).collect();
    let answer = Response::json(200, &Value::Array(all));
    let last = wanted.len().div_ceil(per_page).max(1);
    let mut links = Vec::new();
    let mut link = |page: usize, name: &str| {
        links.push(format!("<{}>; rel=\"{name}\"", url_of(world, request, page, per_page)));
    };
    if page > 1 {
        link(1, "first");
        link(page - 1, "prev");
    }
    if page < last {
        link(page + 1, "next");
        link(last, "last");
    }
    Ok(match links.is_empty() {
        true => answer,
        false => answer.with_header("Link", &links.join(", ")),
    })
}

/// Whether a text fits a pattern in which `*` stands for any characters.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|left| {
            left.char_indices()
                .map(|(at, _)| at)
                .chain([left.len()])
                .any(|at| left.get(at..).is_some_and(|end| matches(rest, end)))
        }),
    }
}

fn is_wanted(world: &World, build: &Build, request: &Request) -> Result<bool, Response> {
    let values = |name: &str| -> Vec<&str> {
        let list = format!("{name}[]");
        let named = |(key, _): &&(String, String)| *key == name || *key == list;
        request.query.iter().filter(named).map(|(_, value)| value.as_str()).collect()
    };
    let state = match render::is_blocked(world, build) {
        true => "blocked".to_owned(),
        false => render::state(world, build),
    };
    let states = values("state");
    if let Some(unknown) = states.iter().find(|state| !STATES.contains(state)) {
        return Err(refusal(400, &format!("`{unknown}` is not a valid state")));
    }
    let has_state = |wanted: &&str| match *wanted {
        "finished" => ["passed", "failed", "blocked", "canceled"].contains(&state.as_str()),
        wanted => wanted == state,
    };
    let is_any = |wanted: &[&str], fits: &dyn Fn(&&str) -> bool| {
        wanted.is_empty() || wanted.iter().any(fits)
    };
    let meta_data = world.details.get(&build.number).map(|details| &details.meta_data);
    let has_meta_data = request.query.iter().all(|(key, value)| {
        let name = key.strip_prefix("meta_data[").and_then(|rest| rest.strip_suffix(']'));
        name.is_none_or(|name| {
            meta_data.and_then(|map| map.get(name)).and_then(Value::as_str) == Some(value)
        })
    });
    Ok(is_any(&states, &has_state)
        && is_any(&values("branch"), &|branch| matches(branch, &build.git_ref))
        && is_any(&values("commit"), &|commit| *commit == build.commit)
        && moment(request, "created_from")?.is_none_or(|from| build.started_ms >= from)
        && moment(request, "created_to")?.is_none_or(|to| build.started_ms < to)
        && has_meta_data)
}

fn moment(request: &Request, name: &str) -> Result<Option<i64>, Response> {
    let given = request.query.iter().find(|(key, _)| key == name);
    let read = given.map(|(_, value)| {
        parse_rfc3339(value).ok_or_else(|| refusal(400, &format!("`{name}` is not a time")))
    });
    read.transpose()
}

fn number(request: &Request, name: &str, default: usize) -> Result<usize, Response> {
    let given = request.query.iter().find(|(key, _)| key == name);
    match given.map(|(_, value)| value.parse::<usize>()) {
        None => Ok(default),
        Some(Ok(value)) if value > 0 => Ok(value),
        Some(_) => Err(refusal(400, &format!("`{name}` must be a positive number"))),
    }
}

fn url_of(world: &World, request: &Request, page: usize, per_page: usize) -> String {
    let kept = request.query.iter().filter(|(key, _)| key != "page" && key != "per_page");
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(kept);
    query.append_pair("page", &page.to_string());
    query.append_pair("per_page", &per_page.to_string());
    format!("{}{}?{}", world.base_url, request.path, query.finish())
}
