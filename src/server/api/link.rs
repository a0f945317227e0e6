//! The service user of an organization: a one-time link to sign in with, and taking it away. It
//! must never show a token.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::credentials::{LinkError, LinkedUser};
use crate::server::State;
use crate::server::auth::{Right, require};
use crate::server::problem::Problem;

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::NotLinkable(reason) => Problem::missing(reason),
            LinkError::NotAllowed(reason) => Problem::forbidden(reason),
            LinkError::Refused(reason) => Problem::bad_request(reason),
            LinkError::Unavailable(reason) => {
                Problem::from(crate::storage::Error::unavailable(reason))
            }
        }
    }
}

/// `POST /v1/organizations/{name}/link`: a link that works once.
pub(super) async fn ticket(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let caller = require(&request, &state, Right::Operate)?;
    let linking = &state.identities.linking;
    let linked = linking.linked_user(&path).await?;
    let (url, expires_at) = linking.ticket(&path, &caller.name).await?;
    let linked = linked.as_ref().map(render);
    let answer = json!({ "url": url.expose(), "expires_at": expires_at, "linked": linked });
    Ok(HttpResponse::Created().json(answer))
}

/// `DELETE /v1/organizations/{name}/link`.
pub(super) async fn unlink(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let caller = require(&request, &state, Right::Operate)?;
    state.identities.linking.unlink(&path, &caller.name).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Who is linked.
pub(super) fn render(linked: &LinkedUser) -> Value {
    json!({
        "user_name": linked.user_name,
        "email": linked.email,
        "tenant_id": linked.tenant_id,
        "linked_at": linked.linked_at,
        "linked_by": linked.linked_by,
        "signed_in_at": linked.signed_in_at,
        "refreshed_at": linked.refreshed_at,
        "problem": linked.problem,
    })
}
