//! Sessions of people at the pages. They are in cookies only: nobody can list them, and an operator
//! can end them.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::paging::Parameters;
use crate::deps::Deps;
use crate::domain::audit::Action;
use crate::server::actions::record;
use crate::server::auth::Operator;
use crate::server::problem::Problem;

/// The longest session that can be configured.
const SESSION_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const NAME_CHARS_MAX: usize = 254;

/// `DELETE /v1/sessions`: ends the sessions of `actor`, or of everybody, that began until now.
pub(super) async fn revoke(
    operator: Operator,
    parameters: Parameters,
    deps: Data<Deps>,
) -> Result<HttpResponse, Problem> {
    parameters.only(&["actor"])?;
    let actor = parameters.get("actor");
    let is_name = |name: &String| (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    if !actor.as_ref().is_none_or(is_name) {
        let problem = format!("a name has 1 to {NAME_CHARS_MAX} characters");
        return Err(Problem::field("actor", problem));
    }
    let now = deps.clock.now();
    let (store, of) = (deps.store.as_ref(), actor.as_deref());
    deps.ended_sessions.end_all(store, of, now.plus(SESSION_MAX), now).await?;
    let whose = format!("of {}", of.unwrap_or("everybody"));
    record(&deps, &operator.actor, "", Action::RevokeSessions, (None, whose)).await;
    Ok(HttpResponse::NoContent().finish())
}
