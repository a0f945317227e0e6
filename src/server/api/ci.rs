//! CI systems: what each can do, and whether its token, job and settings are right.

use actix_web::web::{Data, Json, Path};
use serde_json::{Value, json};

use crate::pipeline::observe::Observe;
use crate::server::auth::{Operator, Viewer};
use crate::server::problem::Problem;

/// `GET /v1/ci`: what each CI can do.
pub(super) async fn list(_: Viewer, observe: Data<Observe>) -> Json<Value> {
    let items = observe.systems().listed().map(|one| {
        json!({
            "name": one.name,
            "kind": one.kind,
            "finds": one.abilities.finds,
            "polls": one.abilities.polls,
            "cancels": one.abilities.cancels,
            "callbacks": one.takes_callbacks,
        })
    });
    Json(json!({ "items": items.collect::<Vec<_>>() }))
}

/// `POST /v1/ci/{name}/check`: asks the CI, and starts nothing.
pub(super) async fn check(
    _: Operator,
    name: Path<String>,
    observe: Data<Observe>,
) -> Result<Json<Value>, Problem> {
    let findings = observe.systems().check(&name).await;
    let findings = findings.map_err(|_| Problem::not_found("CI", &name))?;
    let items = findings
        .into_iter()
        .map(|it| json!({ "what": it.what, "help": it.help, "is_problem": it.help.is_some() }));
    Ok(Json(json!({ "name": *name, "findings": items.collect::<Vec<_>>() })))
}
