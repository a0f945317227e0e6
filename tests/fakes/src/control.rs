//! Control of the worlds by JSON over HTTP, for load tests and for trying a gateway by hand.
//!
//! Each call is translated into methods of the worlds, so that tests in Rust can do the same.

/// Arguments of calls, and the list of calls.
mod arguments;
/// Many pull requests in one call.
mod bulk;
/// Entra and PATs.
mod credentials;
/// The lists to look at.
mod lists;
/// What administrators do in the portal.
mod portal;
/// Pushes, and what people do to pull requests.
mod pull_requests;
#[cfg(test)]
mod tests;

use arguments::{HELP, Reply, text};
use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::{ado, ci, entra};

/// Answers a request below `/_fake`.
pub fn handle(
    ado: &mut ado::World,
    ci: &mut ci::World,
    entra: &mut entra::World,
    request: &Request,
) -> Response {
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
    let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let reply = match (request.method.as_str(), path.as_slice()) {
        ("GET", []) => return Response::text(200, HELP),
        ("GET", ["entra" | "token-calls"]) => credentials::tenant(entra, &path),
        ("GET", path) => lists::list(ado, ci, path),
        ("POST", ["entra", rest @ ..]) => credentials::change_entra(entra, rest, &body),
        ("POST", ["pats", rest @ ..]) => credentials::change_pats(ado, rest, &body),
        ("POST", ["push"]) => pull_requests::push(ado, &body),
        ("POST", ["pull-requests"]) => pull_requests::open(ado, &body),
        ("POST", ["pull-requests", "many"]) => bulk::open_many(ado, &body),
        ("POST", ["pull-requests", id, verb]) => pull_requests::change(ado, id, verb, &body),
        (
            "POST",
            [
                "subscriptions" | "organizations" | "projects" | "repositories" | "identities"
                | "policies",
                ..,
            ],
        ) => portal::change(ado, &path, &body),
        ("POST", ["ci"]) => set_behaviour(ci, &body),
        _ => Err(HELP.to_owned()),
    };
    match reply {
        Ok(value) => Response::json(200, &value),
        Err(message) => Response::json(400, &json!({"complaint": message})),
    }
}

fn set_behaviour(ci: &mut ci::World, body: &Value) -> Reply {
    let name = text(body, "behaviour")?;
    let behaviour =
        ci::Behaviour::parse(name).ok_or_else(|| format!("there is no behaviour {name}"))?;
    match (body.get("next").and_then(Value::as_u64), text(body, "check")) {
        (Some(count), _) => ci.next(usize::try_from(count).unwrap_or(1), &behaviour),
        (None, Ok(check)) => ci.set_for_check(check, behaviour),
        (None, Err(_)) => ci.set_default(behaviour),
    }
    Ok(json!({"behaviour": name}))
}
