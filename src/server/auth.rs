//! Authentication of API callers by bearer token, as extractors: a handler that takes an
//! `Operator` runs only for operators. A token is compared with every known one, in constant
//! time.

use std::future::{Ready, ready};
use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use super::problem::Problem;
use super::{ApiToken, Role};
use crate::domain::audit::Actor;

/// May replay, cancel, rerun, link and change hooks.
pub(super) type Operator = Caller<Operate>;
/// May see everything.
pub(super) type Viewer = Caller<View>;
/// May report on any run and post statuses.
pub(super) type Reporter = Caller<Report>;
/// May take runs and execute them.
pub(super) type Runner = Caller<Execute>;

/// A caller with one of the roles of `P`.
#[derive(Debug)]
pub(super) struct Caller<P> {
    pub(super) actor: Actor,
    /// The only labels that a runner with this token may have; none where it may have any.
    pub(super) labels: Option<Vec<String>>,
    permission: PhantomData<P>,
}

/// What a call needs.
pub(super) trait Permission {
    /// The roles that have it.
    const ROLES: &'static [Role];
    /// The roles as a refusal names them.
    const NEEDED: &'static str;
}

#[derive(Debug)]
pub(super) struct Operate;

impl Permission for Operate {
    const ROLES: &'static [Role] = &[Role::Operator];
    const NEEDED: &'static str = "operator";
}

#[derive(Debug)]
pub(super) struct View;

impl Permission for View {
    const ROLES: &'static [Role] = &[Role::Viewer, Role::Operator];
    const NEEDED: &'static str = "viewer or operator";
}

#[derive(Debug)]
pub(super) struct Report;

impl Permission for Report {
    const ROLES: &'static [Role] = &[Role::Reporter, Role::Operator];
    const NEEDED: &'static str = "reporter or operator";
}

#[derive(Debug)]
pub(super) struct Execute;

impl Permission for Execute {
    const ROLES: &'static [Role] = &[Role::Runner, Role::Operator];
    const NEEDED: &'static str = "runner or operator";
}

impl<P: Permission> FromRequest for Caller<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authorize(request))
    }
}

fn authorize<P: Permission>(request: &HttpRequest) -> Result<Caller<P>, Problem> {
    let token = bearer(request).and_then(|token| {
        let tokens: &Data<Vec<ApiToken>> = request.app_data()?;
        find(tokens, token)
    });
    let token = token.ok_or_else(Problem::unauthorized)?;
    if !P::ROLES.contains(&token.role) {
        let needed = P::NEEDED;
        return Err(Problem::forbidden(format!("this needs a token with the role {needed}")));
    }
    let actor = Actor { name: token.name.clone(), via: token.via };
    Ok(Caller { actor, labels: token.labels.clone(), permission: PhantomData })
}

/// The bearer token of a request.
pub(super) fn bearer(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The configured token that is equal to this one. It goes on after a match, so that the time
/// taken does not tell which one matched.
pub(super) fn find<'t>(tokens: &'t [ApiToken], token: &str) -> Option<&'t ApiToken> {
    let mut found = None;
    for known in tokens.iter() {
        if known.token.is(token).into() {
            found = Some(known);
        }
    }
    found
}
