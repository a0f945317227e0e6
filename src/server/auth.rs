//! Who calls the API, and whether they may. Tokens are compared in constant time, all of them. It
//! must never say which part of a wrong token was right.

use actix_web::HttpRequest;
use actix_web::http::header;

use super::problem::Problem;
use super::{Role, State};
use crate::domain::id::RunId;

/// Whoever proved an API token.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) name: String,
    pub(super) role: Role,
}

/// What a call needs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Right {
    /// See deliveries, runs and statuses.
    Look,
    /// Replay, cancel, rerun.
    Operate,
    /// Report on any run, post statuses.
    Report,
}

impl Right {
    fn is_of(self, role: Role) -> bool {
        matches!(
            (self, role),
            (_, Role::Operator) | (Right::Look, Role::Viewer) | (Right::Report, Role::Reporter)
        )
    }
}

/// The caller, if it has the right.
pub(super) fn require(
    request: &HttpRequest,
    state: &State,
    right: Right,
) -> Result<Caller, Problem> {
    let caller =
        bearer(request).and_then(|token| caller(state, token)).ok_or_else(Problem::unauthorized)?;
    if !right.is_of(caller.role) {
        let needed = match right {
            Right::Look => "viewer or operator",
            Right::Operate => "operator",
            Right::Report => "reporter or operator",
        };
        return Err(Problem::forbidden(format!("this needs a token with the role {needed}")));
    }
    Ok(caller)
}

/// Whether the caller may report on this run: by its own token, or by right.
pub(super) fn require_report(
    request: &HttpRequest,
    state: &State,
    run: RunId,
) -> Result<(), Problem> {
    let token = bearer(request).ok_or_else(Problem::unauthorized)?;
    if state.keys.verifies_report(run, token) {
        return Ok(());
    }
    require(request, state, Right::Report).map(drop)
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn caller(state: &State, token: &str) -> Option<Caller> {
    let mut found = None;
    for known in &state.tokens {
        if known.token.is(token).into() {
            found = Some(Caller { name: known.name.clone(), role: known.role });
        }
    }
    found
}
