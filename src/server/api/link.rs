//! The service user of an organization: a one-time link to sign in with, and unlinking.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use crate::credentials::{Identities, LinkError, LinkedUser};
use crate::server::actions::Actions;
use crate::server::auth::Operator;
use crate::server::problem::Problem;
use crate::storage;

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::NotLinkable(reason) => Problem::missing(reason),
            LinkError::NotAllowed(reason) => Problem::forbidden(reason),
            LinkError::Refused(reason) => Problem::bad_request(reason),
            LinkError::Unavailable(reason) => Problem::from(storage::Error::unavailable(reason)),
        }
    }
}

/// `POST /v1/organizations/{name}/link`: a link that works once.
pub(super) async fn create(
    operator: Operator,
    path: Path<String>,
    identities: Data<Identities>,
) -> Result<HttpResponse, Problem> {
    let linking = &identities.linking;
    let linked = linking.linked_user(&path).await?;
    let (url, expires_at) = linking.ticket(&path, &operator.actor.name).await?;
    let linked = linked.as_ref().map(render);
    let answer = json!({ "url": url.expose(), "expires_at": expires_at, "linked": linked });
    Ok(HttpResponse::Created().json(answer))
}

/// `DELETE /v1/organizations/{name}/link`.
pub(super) async fn unlink(
    operator: Operator,
    path: Path<String>,
    actions: Data<Actions>,
) -> Result<HttpResponse, Problem> {
    actions.unlink(&operator.actor, &path).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The account that is linked.
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
