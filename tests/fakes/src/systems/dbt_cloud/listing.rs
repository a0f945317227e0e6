//! Filters, orders and pages of the list of runs. Unknown filters are ignored.

use serde_json::{Map, Value, json};

use super::{ENVIRONMENT, JOB, PROJECT, World, refusal, render, status};
use crate::http::{Request, Response};
use crate::systems::Build;
use crate::timestamp::parse_rfc3339;

const MOST: usize = 100;
/// What a list can include. Steps are not among it.
const RELATED: [&str; 3] = ["trigger", "job", "audit"];

/// The runs that the query asks for, a page of them.
pub(super) fn list(world: &World, request: &Request, now_ms: i64) -> Result<Response, Response> {
    let order = value(request, "order_by").unwrap_or("id");
    let (field, is_reversed) = match order.strip_prefix('-') {
        Some(field) => (field, true),
        None => (order, false),
    };
    if !["id", "created_at", "finished_at"].contains(&field) {
        return Err(refusal(400, &format!("Invalid order_by field: {order}")));
    }
    let limit = number(request, "limit")?.unwrap_or(MOST as u64);
    let limit = usize::try_from(limit).unwrap_or(MOST).min(MOST);
    let offset = usize::try_from(number(request, "offset")?.unwrap_or(0)).unwrap_or(usize::MAX);
    let is_listed = |build: &&Build| {
        !build.is_gone && build.started_ms.saturating_add(world.list_lag_ms) <= now_ms
    };
    let mut wanted = Vec::new();
    for build in world.builds.all().iter().filter(is_listed) {
        if is_wanted(world, build, request)? {
            wanted.push(build);
        }
    }
    // Runs are in the order of their ids and of their creation; those that have not ended have no
    // time of their end and come first.
    if field == "finished_at" {
        wanted.sort_by_key(|build| build.state.is_final());
    }
    if is_reversed {
        wanted.reverse();
    }
    let related = render::related(request);
    let related: Vec<_> = related.into_iter().filter(|name| RELATED.contains(name)).collect();
    let of_page = wanted.iter().skip(offset).take(limit);
    let data: Vec<_> = of_page.map(|build| render::run(world, build, &related)).collect();
    let filters: Map<String, Value> =
        request.query.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let pagination = json!({"count": data.len(), "total_count": wanted.len()});
    let answer = json!({
        "status": status(200, "Success!"),
        "data": data,
        "extra": {"filters": filters, "order_by": order, "pagination": pagination},
    });
    Ok(Response::json(200, &answer))
}

fn is_wanted(world: &World, build: &Build, request: &Request) -> Result<bool, Response> {
    let (code, _) = render::status(world, build);
    let own = [
        ("pk", build.number),
        ("job_definition_id", JOB),
        ("project_id", PROJECT),
        ("environment_id", ENVIRONMENT),
        ("status", u64::from(code)),
    ];
    for (name, own) in own {
        if number(request, name)?.is_some_and(|wanted| wanted != own)
            || numbers(request, &format!("{name}__in"))?.is_some_and(|list| !list.contains(&own))
        {
            return Ok(false);
        }
    }
    if number(request, "id__gt")?.is_some_and(|above| build.number <= above) {
        return Ok(false);
    }
    // No run here defers to another.
    if number(request, "deferring_run_id")?.is_some() {
        return Ok(false);
    }
    let is_deleted = matches!(value(request, "state"), Some("deleted" | "2"));
    let finished_ms = build.state.is_final().then_some(build.started_ms + 2_000);
    let within = |name: &str, at_ms: Option<i64>| -> Result<bool, Response> {
        let Some((from, to)) = range(request, name)? else { return Ok(true) };
        Ok(at_ms.is_some_and(|at_ms| (from..=to).contains(&at_ms)))
    };
    Ok(!is_deleted
        && within("created_at__range", Some(build.started_ms))?
        && within("finished_at__range", finished_ms)?)
}

fn value<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn number(request: &Request, name: &str) -> Result<Option<u64>, Response> {
    value(request, name).map(|text| parsed(text, name)).transpose()
}

/// Several values are separated by commas.
fn numbers(request: &Request, name: &str) -> Result<Option<Vec<u64>>, Response> {
    let all = value(request, name);
    all.map(|text| text.split(',').map(|one| parsed(one, name)).collect()).transpose()
}

fn parsed(text: &str, name: &str) -> Result<u64, Response> {
    text.parse().map_err(|_| refusal(400, &format!("{name}: a valid integer is required.")))
}

fn range(request: &Request, name: &str) -> Result<Option<(i64, i64)>, Response> {
    let Some(text) = value(request, name) else { return Ok(None) };
    let times = text.split_once(',').map(|(from, to)| (parse_rfc3339(from), parse_rfc3339(to)));
    match times {
        Some((Some(from), Some(to))) => Ok(Some((from, to))),
        _ => Err(refusal(400, &format!("{name}: two times are required."))),
    }
}
