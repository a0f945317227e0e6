//! `POST /v1/reload`: the process reads its configuration again.

use std::fmt;

use actix_web::web::{self, Data, Json, ServiceConfig};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::Components;
use super::actions::record;
use super::auth::Operator;
use super::problem::Problem;
use crate::deps::Deps;
use crate::domain::audit::Action;

/// What became of a request: the differences, or why the configuration was refused.
pub type Reloaded = Result<Vec<Difference>, String>;

/// One difference between the old and the new configuration.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The key, or the source of a secret.
    pub key: String,
    /// The value in JSON; none where the key is new, and of secrets.
    pub before: Option<String>,
    /// None where the key is gone, and of secrets.
    pub after: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(out, "{key}: {before} is {after} now"),
            (None, Some(after)) => write!(out, "{key}: {after} is new"),
            (Some(before), None) => write!(out, "{key}: {before} is gone"),
            (None, None) => write!(out, "{key}: its content has changed"),
        }
    }
}

/// Asks the process to read its configuration again. The default asks nobody: of a process that
/// was not started with a file.
#[derive(Clone, Debug, Default)]
pub struct Reload(Option<mpsc::Sender<oneshot::Sender<Reloaded>>>);

/// The requests, in order.
pub type ReloadRequests = mpsc::Receiver<oneshot::Sender<Reloaded>>;

impl Reload {
    /// One that asks whoever receives the requests.
    pub fn new() -> (Self, ReloadRequests) {
        let (sender, requests) = mpsc::channel(1);
        (Self(Some(sender)), requests)
    }

    async fn ask(&self) -> Option<Reloaded> {
        let (answer, answered) = oneshot::channel();
        self.0.as_ref()?.send(answer).await.ok()?;
        answered.await.ok()
    }
}

#[derive(Debug)]
struct State {
    reload: Reload,
    deps: Deps,
}

pub(super) fn routes(components: &Components) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let (reload, deps) = (components.reload.clone(), components.deps.clone());
    let state = Data::new(State { reload, deps });
    move |config| {
        config.app_data(state.clone()).route("/v1/reload", web::post().to(reload_now));
    }
}

async fn reload_now(operator: Operator, state: Data<State>) -> Result<Json<Value>, Problem> {
    let not_here = "this process was not started with a configuration file: start another one";
    let reloaded = state.reload.ask().await.ok_or_else(|| Problem::conflict(not_here))?;
    let differences = reloaded.map_err(Problem::conflict)?;
    let keys: Vec<_> = differences.iter().map(|difference| difference.key.as_str()).collect();
    let detail = if keys.is_empty() { "nothing has changed".into() } else { keys.join(", ") };
    record(&state.deps, &operator.actor, "", Action::Reload, (None, detail)).await;
    Ok(Json(json!({ "changes": differences })))
}
