//! `/v1/runners/lease`: runners ask for runs, say that they still have them, and give them back.
//! Source: the section "Kind `runner`" of docs/ci.md.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, Payload, ServiceConfig};
use serde_json::{Map, Value, json};

use super::auth::Runner;
use super::json_body::{JsonBodies, text};
use super::problem::Problem;
use super::{Components, Draining};
use crate::domain::runner::fits;
use crate::pipeline::runners::{self, Beat, Runners};

/// How long a runner may wait for a run, at most.
const WAIT_S_MAX: u64 = 60;
const NAME_CHARS_MAX: usize = 100;
const LABELS_MAX: usize = 50;
const LABEL_CHARS_MAX: usize = 64;

pub(super) fn routes(components: &Components) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let runners = Data::new(components.runners.clone());
    let draining = Data::new(components.draining.clone());
    move |config| {
        config
            .app_data(runners.clone())
            .app_data(draining.clone())
            .route("/v1/runners/lease", web::post().to(lease))
            .route("/v1/runners/lease/{lease}/heartbeat", web::post().to(heartbeat))
            .route("/v1/runners/lease/{lease}/release", web::post().to(release));
    }
}

async fn lease(
    caller: Runner,
    payload: Payload,
    bodies: Data<JsonBodies>,
    runners: Data<Runners>,
    draining: Data<Draining>,
) -> Result<HttpResponse, Problem> {
    let body = bodies.object(payload).await?;
    let runner = parse(&caller, &body)?;
    let wait = wait(&body)?;
    let answer = tokio::select! {
        leased = runners.lease(&runner, wait) => match leased? {
            Some(leased) => HttpResponse::Ok().json(json!({
                "lease": leased.lease,
                "expires_in_s": leased.expires_in.as_secs(),
                "run": leased.run,
            })),
            None => HttpResponse::NoContent().finish(),
        },
        // The runner asks another replica, or the next process.
        () = draining.begun() => HttpResponse::NoContent().finish(),
    };
    Ok(draining.close_connection(answer))
}

async fn heartbeat(
    caller: Runner,
    path: Path<String>,
    runners: Data<Runners>,
) -> Result<Json<Value>, Problem> {
    let answer = match runners.heartbeat(&caller.actor.name, &path).await? {
        Beat::Held { expires_in } => {
            json!({ "expires_in_s": expires_in.as_secs(), "cancel": false })
        }
        Beat::Cancel { expires_in, reason } => {
            json!({ "expires_in_s": expires_in.as_secs(), "cancel": true, "reason": reason })
        }
        Beat::Lost => return Err(lost()),
    };
    Ok(Json(answer))
}

async fn release(
    _caller: Runner,
    path: Path<String>,
    runners: Data<Runners>,
) -> Result<HttpResponse, Problem> {
    match runners.release(&path).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(lost()),
    }
}

fn lost() -> Problem {
    Problem::conflict(
        "this runner does not have the run any more: stop executing it, and report nothing",
    )
}

fn parse(caller: &Runner, body: &Map<String, Value>) -> Result<runners::Runner, Problem> {
    let name = text(body, "name")?;
    if name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let what = format!("up to {NAME_CHARS_MAX} characters are needed, none of them a control");
        return Err(Problem::field("name", what));
    }
    let labels = labels(body.get("labels"))?;
    let allowed = caller.labels.as_deref();
    let foreign = |label: &&String| allowed.is_some_and(|it| !fits(it, &[(*label).clone()]));
    if let Some(label) = labels.iter().find(foreign) {
        let what = format!("the token {} may not have the label {label}", caller.actor.name);
        return Err(Problem::forbidden(what));
    }
    Ok(runners::Runner { token: caller.actor.name.clone(), name, labels })
}

fn labels(value: Option<&Value>) -> Result<Vec<String>, Problem> {
    let wrong = || {
        let what = format!(
            "a list of up to {LABELS_MAX} labels is needed, each a text of up to \
                            {LABEL_CHARS_MAX} characters"
        );
        Problem::field("labels", what)
    };
    let items = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= LABELS_MAX => items,
        Some(_) => return Err(wrong()),
    };
    let label = |item: &Value| {
        let label = item.as_str().map(str::trim)?;
        (1..=LABEL_CHARS_MAX).contains(&label.chars().count()).then(|| label.to_owned())
    };
    items.iter().map(label).collect::<Option<_>>().ok_or_else(wrong)
}

fn wait(body: &Map<String, Value>) -> Result<Duration, Problem> {
    let wait_s = match body.get("wait_s") {
        None | Some(Value::Null) => Some(0),
        Some(value) => value.as_u64().filter(|wait_s| *wait_s <= WAIT_S_MAX),
    };
    let wrong = || format!("whole seconds from 0 to {WAIT_S_MAX} are needed");
    wait_s.map(Duration::from_secs).ok_or_else(|| Problem::field("wait_s", wrong()))
}
