//! What a person at a terminal can do to the worlds, as JSON over HTTP.
//!
//! A thin translation to the worlds' methods, for the demo and for trying things by hand. It must
//! never offer what the worlds' methods do not.

/// What can be done to Entra and to PATs.
mod credentials;
/// Many things in one call.
mod crowd;
/// The lists that a person can look at.
mod lists;
/// What administrators do in the portal.
mod portal;

use serde_json::{Value, json};

use crate::ado::NewPullRequest;
use crate::http::{Request, Response};
use crate::{ado, ci, entra};

/// What can be done, one line each.
pub const HELP: &str = "\
POST /_fake/push {repository, branch, comment?}
POST /_fake/pull-requests {repository, source, target?, title?, draft?, conflicts?}
POST /_fake/pull-requests/many {repository, count, prefix}
POST /_fake/pull-requests/{id}/{push|force-push|abandon|reactivate|complete|draft|publish} {}
POST /_fake/pull-requests/{id}/{comment|title|retarget} {text}
POST /_fake/pull-requests/{id}/try-complete {}  (as the policies let)
POST /_fake/clock {seconds}                     (lets time pass, with what falls due in it)
POST /_fake/subscriptions {event_type, project, url, password?, owner?}
POST /_fake/subscriptions/{id}/{disable|enable|give-up|delete} {}
POST /_fake/projects/{name}/{rename|delete} {name?}
POST /_fake/repositories/create {repository}    (project/name, in a project that is there)
POST /_fake/organizations {name, project}
POST /_fake/repositories/{rename|disable|enable|delete} {repository, name?}
POST /_fake/identities/{user}/deactivate {}     POST /_fake/policies/{id}/delete {}
POST /_fake/ci {behaviour, check?, next?}
POST /_fake/entra/{sign-in|revoke} {user}       POST /_fake/entra/sign-out {}
POST /_fake/entra/users {user, name?}           POST /_fake/entra/users/{user} {trouble?, consent?}
POST /_fake/entra/token-error {number, error?, status?, count?}
POST /_fake/entra/heal {}                       POST /_fake/entra/forge {how}
POST /_fake/pats/error {error, count?}          POST /_fake/pats/{id}/revoke {}
POST /_fake/pats/rules {delay_ms?, signed_in?, single_use?}
GET  /_fake/{pats|violations|entra|token-calls}
GET  /_fake/{pull-requests|subscriptions|notifications|lost|policies|runs|journal}
GET  /_fake/unfiltered-lists
GET  /_fake/pull-requests/{id}/statuses   GET /_fake/commits/{sha}/statuses
GET  /_fake/{journal|statuses}/{from}            GET /_fake/pats/count
";

type Reply = Result<Value, String>;

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
        ("POST", ["push"]) => push(ado, &body),
        ("POST", ["pull-requests"]) => open(ado, &body),
        ("POST", ["pull-requests", "many"]) => crowd::open_many(ado, &body),
        ("POST", ["pull-requests", id, verb]) => change(ado, id, verb, &body),
        (
            "POST",
            [
                "subscriptions" | "organizations" | "projects" | "repositories" | "identities"
                | "policies",
                ..,
            ],
        ) => portal::change(ado, &path, &body),
        ("POST", ["ci"]) => behave(ci, &body),
        _ => Err(HELP.to_owned()),
    };
    match reply {
        Ok(value) => Response::json(200, &value),
        Err(complaint) => Response::json(400, &json!({"complaint": complaint})),
    }
}

fn word<'a>(body: &'a Value, key: &str) -> Result<&'a str, String> {
    body.get(key).and_then(Value::as_str).ok_or_else(|| format!("{key} is missing"))
}

fn flag(body: &Value, key: &str) -> bool {
    body.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn repository(ado: &ado::World, body: &Value) -> Result<String, String> {
    let path = word(body, "repository")?;
    let found = ado.find_repository(path).map(|one| one.id.clone());
    found.ok_or_else(|| format!("there is no repository {path} (project/name)"))
}

fn push(ado: &mut ado::World, body: &Value) -> Reply {
    let repository = repository(ado, body)?;
    let comment = word(body, "comment").unwrap_or("Change something");
    Ok(json!({"commit": ado.push(&repository, word(body, "branch")?, comment)}))
}

fn open(ado: &mut ado::World, body: &Value) -> Reply {
    let repository = repository(ado, body)?;
    let (source, target) = (word(body, "source")?, word(body, "target").unwrap_or("main"));
    if ado.head(&repository, target).is_none() {
        return Err(format!("there is no branch {target}"));
    }
    if ado.head(&repository, source).is_none() {
        ado.push(&repository, source, "Begin");
    }
    let mut new = NewPullRequest::new(&repository, source, target);
    if let Ok(title) = word(body, "title") {
        new = new.titled(title);
    }
    if flag(body, "draft") {
        new = new.draft();
    }
    if flag(body, "conflicts") {
        new = new.conflicting();
    }
    Ok(json!({"pull_request": ado.open_pull_request(&new)}))
}

fn change(ado: &mut ado::World, id: &str, verb: &str, body: &Value) -> Reply {
    let id = known(ado, id)?;
    let pull_request = ado.pull_request(id);
    let origin = pull_request.fork.clone().unwrap_or_else(|| pull_request.repository.clone());
    let source = pull_request.source_ref.clone();
    match verb {
        "push" => return Ok(json!({"commit": ado.push(&origin, &source, "Continue")})),
        "force-push" => {
            return Ok(json!({"commit": ado.force_push(&origin, &source, "Start over")}));
        }
        "complete" => return Ok(json!({"commit": ado.complete(id)})),
        "try-complete" => return Ok(json!({"commit": ado.try_complete(id)?})),
        "abandon" => ado.abandon(id),
        "reactivate" => ado.reactivate(id),
        "draft" => ado.set_draft(id),
        "publish" => ado.publish(id),
        "title" => ado.edit_title(id, word(body, "text")?),
        "retarget" => ado.retarget(id, word(body, "text")?),
        "comment" => {
            let (thread, _) = ado.comment(id, word(body, "text")?);
            return Ok(json!({"thread": thread}));
        }
        _ => return Err(HELP.to_owned()),
    }
    Ok(json!({"pull_request": id}))
}

fn known(ado: &ado::World, id: &str) -> Result<u64, String> {
    let number = id.parse().ok();
    let known = number.filter(|id| ado.pull_requests().any(|one| one.id == *id));
    known.ok_or_else(|| format!("there is no pull request {id}"))
}

fn behave(ci: &mut ci::World, body: &Value) -> Reply {
    let name = word(body, "behaviour")?;
    let behaviour =
        ci::Behaviour::parse(name).ok_or_else(|| format!("there is no behaviour {name}"))?;
    match (body.get("next").and_then(Value::as_u64), word(body, "check")) {
        (Some(count), _) => ci.next(usize::try_from(count).unwrap_or(1), &behaviour),
        (None, Ok(check)) => ci.set_for_check(check, behaviour),
        (None, Err(_)) => ci.set_default(behaviour),
    }
    Ok(json!({"behaviour": name}))
}
