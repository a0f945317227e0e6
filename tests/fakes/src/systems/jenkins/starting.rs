//! Requests that start builds, and their parameters.

use serde_json::{Value, json};

use super::access::{self, Caller};
use super::{World, oops, page, post_required};
use crate::http::{Request, Response};

/// A parameter that the job declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub kind: Kind,
    /// What it is where a start does not say. That of a choice is its first.
    pub default: String,
}

/// What values a parameter takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// One of these.
    Choice(Vec<String>),
    /// `true` or `on` for true, all else for false.
    Boolean,
    /// Any text, which Jenkins does not show.
    Password,
}

impl Parameter {
    /// A parameter that takes any text.
    pub fn text(name: &str, default: &str) -> Self {
        Self { name: name.to_owned(), kind: Kind::Text, default: default.to_owned() }
    }

    /// A parameter that takes one of these.
    pub fn choice(name: &str, choices: &[&str]) -> Self {
        let default = choices.first().copied().unwrap_or_default().to_owned();
        let choices = choices.iter().map(|&choice| choice.to_owned()).collect();
        Self { name: name.to_owned(), kind: Kind::Choice(choices), default }
    }

    /// A parameter that is true or false.
    pub fn boolean(name: &str, default: bool) -> Self {
        Self { name: name.to_owned(), kind: Kind::Boolean, default: default.to_string() }
    }

    /// A parameter whose value is not shown.
    pub fn password(name: &str) -> Self {
        Self { name: name.to_owned(), kind: Kind::Password, default: String::new() }
    }

    /// Its name in the description of the job.
    pub(super) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Text => "StringParameterDefinition",
            Kind::Choice(_) => "ChoiceParameterDefinition",
            Kind::Boolean => "BooleanParameterDefinition",
            Kind::Password => "PasswordParameterDefinition",
        }
    }

    /// Its value from what was given under its name. Two values and unknown choices are exceptions
    /// in Jenkins.
    fn value(&self, given: &[&str]) -> Result<Value, Response> {
        let text = match given {
            [] => &self.default,
            [one] => *one,
            _ => return Err(oops()),
        };
        match &self.kind {
            Kind::Boolean => Ok(json!(matches!(text, "true" | "on"))),
            Kind::Choice(all) if !all.iter().any(|choice| choice == text) => Err(oops()),
            _ => Ok(json!(text)),
        }
    }
}

/// Starts a build, unless one with the same parameters waits already.
pub(super) fn start(
    world: &mut World,
    verb: &str,
    request: &Request,
    caller: &Caller,
    now_ms: i64,
) -> Result<Response, Response> {
    let given = values(request);
    let first = |wanted: &str| given.iter().find(|(name, _)| name == wanted).map(|(_, text)| text);
    let delay_ms = match first("delay").map(|text| text.trim()) {
        None | Some("") => world.quiet_period_ms,
        Some(text) => delay(text).ok_or_else(oops)?,
    };
    let name = world.names.join("/");
    let not_buildable = || page(409, &format!("<h1>Error</h1><p>{name} is not buildable</p>"));
    if verb == "build" {
        if world.is_disabled {
            return Err(not_buildable());
        }
        if !world.parameters.is_empty() && request.method != "POST" {
            return Ok(page(200, "<h1>This build requires parameters:</h1>"));
        }
    }
    // The right token of the job replaces the permission, and permits GET, too.
    match (&world.remote_token, first("token")) {
        (Some(own), Some(token)) if own == token => {}
        (Some(_), Some(_)) => return Err(page(403, "<h1>Invalid token provided.</h1>")),
        _ if !caller.user.builds => return Err(access::not_permitted(caller, "Build")),
        _ if request.method != "POST" => return Err(post_required()),
        _ => {}
    }
    if world.is_disabled {
        return Err(not_buildable());
    }
    let parameters = match (verb, world.parameters.is_empty()) {
        ("build", true) => Vec::new(),
        ("build", false) => {
            return Err(page(400, "<h1>Error</h1><p>This page expects a form submission</p>"));
        }
        (_, true) => {
            return Err(page(400, &format!("<h1>Error</h1><p>{name} is not parameterized</p>")));
        }
        (_, false) => parameters(world, &given)?,
    };
    if world.refuses_starts {
        return Ok(Response::empty(302).with_header("location", "."));
    }
    let waiting = world
        .details
        .iter()
        .find(|(number, known)| known.parameters == parameters && world.is_waiting(**number));
    let (status, number) = match waiting.map(|(number, _)| *number) {
        Some(number) if verb != "build" && world.says_see_other => (303, number),
        Some(number) => (201, number),
        // Jenkins counts delays in whole seconds.
        None => (201, world.add(parameters, &caller.user.name, delay_ms / 1_000 * 1_000, now_ms)),
    };
    let url = format!("{}/queue/item/{}/", world.location_base, world.item_id(number));
    Ok(Response::empty(status).with_header("location", &url))
}

/// Names and values of the query and of a form in the body.
pub(super) fn values(request: &Request) -> Vec<(String, String)> {
    let mut all = request.query.clone();
    let kind = request.header("content-type").unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") {
        all.extend(url::form_urlencoded::parse(&request.body).into_owned());
    }
    all
}

/// Values of what the job declares. All else is dropped.
fn parameters(world: &World, given: &[(String, String)]) -> Result<Vec<(String, Value)>, Response> {
    let value = |parameter: &Parameter| {
        let named = given.iter().filter(|(name, _)| *name == parameter.name);
        let texts: Vec<_> = named.map(|(_, text)| text.as_str()).collect();
        Ok((parameter.name.clone(), parameter.value(&texts)?))
    };
    world.parameters.iter().map(value).collect()
}

/// Milliseconds of a delay: a bare number is milliseconds, with `sec` or `secs` it is seconds.
fn delay(text: &str) -> Option<i64> {
    let seconds = text.strip_suffix("secs").or_else(|| text.strip_suffix("sec"));
    match seconds {
        Some(seconds) => seconds.trim().parse::<i64>().ok()?.checked_mul(1_000),
        None => text.parse().ok(),
    }
}
