//! What the handlers of pages know: who looks, with which parameters, and the parts of the gateway
//! that the pages are made of.
//!
//! A page can be asked for by part: with `part=NAME` its address gives one region of it, from the
//! same template. That is how an open page reads again what has changed.

use std::collections::HashMap;
use std::fmt::Display;
use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse};
use askama::Template;
use dashmap::DashSet;
use url::Url;

use super::moment::Moment;
use crate::credentials::{Identities, Person, Right, Rights};
use crate::deps::Deps;
use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::pipeline::decide::Decide;
use crate::pipeline::examine::Examine;
use crate::pipeline::observe::Observe;
use crate::reconcile::organization::OrganizationReconcilers;
use crate::reconcile::survey::Surveys;
use crate::server::actions::Actions;
use crate::server::api::paging::Parameters;
use crate::server::backlog::Counts;
use crate::server::html::{self, Account, Frame, Twins};
use crate::server::problem::Problem;
use crate::server::session::{Session, Sessions};
use crate::server::{OneTimeSignIn, Organizations, Role};

/// `about` of `/ui/live` for a page that is told of nothing, but reads again with each beat.
pub(super) const BEAT: &str = "beat";

/// What all pages share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) deps: Deps,
    pub(super) sessions: Arc<Sessions>,
    pub(super) one_time: OneTimeSignIn,
    pub(super) rights: Rights,
    pub(super) organizations: Arc<Organizations>,
    pub(super) identities: Arc<Identities>,
    /// By the name of the organization as configured.
    pub(super) reconcilers: Arc<HashMap<String, OrganizationReconcilers>>,
    pub(super) observe: Observe,
    pub(super) examine: Arc<Examine>,
    pub(super) counts: Counts,
    pub(super) actions: Arc<Actions>,
    pub(super) decide: Arc<Decide>,
    pub(super) surveys: Arc<Surveys>,
    /// Organizations that are known to have shown a green check.
    pub(super) set_up: DashSet<String>,
    /// Held by whoever does what must not be done twice.
    pub(super) acting: tokio::sync::Mutex<()>,
}

/// One request for a page, of somebody who may see it.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) state: Data<State>,
    pub(super) session: Session,
    pub(super) parameters: Parameters,
    pub(super) now: Timestamp,
    /// The path and query of the page.
    here: String,
    theme: &'static str,
}

impl Visit {
    /// The frame of a page in an area, as `html` names it by its path. While it is open it is told
    /// of nothing but beats.
    pub(super) fn frame(
        &self,
        title: impl Into<String>,
        area: &'static str,
        twins: Twins,
    ) -> Frame {
        let organizations = self.state.organizations.names();
        let account = Account {
            name: self.session.actor.name.clone(),
            role: self.session.role.as_str(),
            organizations: organizations.into_iter().map(str::to_owned).collect(),
            area,
            find: self.parameters.get("q").unwrap_or_default(),
        };
        let base = html::base(&self.state.deps.public_url);
        let (here, theme) = (self.here.clone(), self.theme);
        let (title, about) = (title.into(), BEAT.to_owned());
        Frame { title, base, account: Some(account), twins, here, theme, about }
    }

    /// Whether this part of the page is shown: all are, unless one was asked for.
    pub(super) fn wants(&self, part: &str) -> bool {
        self.parameters.get("part").is_none_or(|wanted| wanted == part)
    }

    /// Whether who looks is still signed in.
    pub(super) fn goes_on(&self) -> bool {
        self.state.sessions.goes_on(&self.session)
    }

    /// The answer with a page, or with the one of its parts that was asked for.
    pub(super) fn answer(
        &self,
        page: &impl Template,
        parts: &[(&str, &dyn Display)],
    ) -> HttpResponse {
        let Some(wanted) = self.parameters.get("part") else {
            return html::answer(StatusCode::OK, page);
        };
        match parts.iter().find(|(name, _)| *name == wanted) {
            Some((_, part)) => html::fragment(&part.to_string()),
            None => {
                let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
                let expected = format!("one of {} is needed", names.join(", "));
                HttpResponse::from_error(Problem::field("part", expected))
            }
        }
    }

    /// The address of a page, from its path below `/ui`.
    pub(super) fn href(&self, path: &str) -> String {
        format!("{}/ui{path}", html::base(&self.state.deps.public_url))
    }

    /// The address of a list with these filters.
    pub(super) fn filtered(&self, path: &str, filters: &[(&str, &str)]) -> String {
        self.href(&format!("{path}{}", query(filters.iter().copied())))
    }

    /// A point in time, seen from now.
    pub(super) fn moment(&self, at: Timestamp) -> Moment {
        Moment::new(at, self.now)
    }

    /// Where each organization is, by its name as configured.
    pub(super) fn addresses(&self) -> Vec<(&str, &Url)> {
        let mut addresses = Vec::new();
        for (name, identity) in &self.state.identities.by_organization {
            addresses.push((name.as_str(), &identity.client.options().azure_devops_url));
        }
        addresses
    }

    /// Whether the person sees everything. Developers see what Azure DevOps lets them read.
    pub(super) fn sees_all(&self) -> bool {
        self.session.role != Role::Developer
    }

    /// Refuses a person who may not read a repository at Azure DevOps, as if what is shown did not
    /// exist. The project and the repository are named by their names or ids.
    pub(super) async fn may_read(
        &self,
        organization: &str,
        project: &str,
        repository: &str,
    ) -> Result<(), Problem> {
        if self.sees_all() {
            return Ok(());
        }
        self.has(Right::Read, (organization, project, repository)).await
    }

    /// Refuses a person who may neither act here nor contribute to a repository at Azure DevOps.
    pub(super) async fn may_contribute(
        &self,
        organization: &str,
        project: &str,
        repository: &str,
    ) -> Result<(), Problem> {
        match self.session.role {
            Role::Operator => Ok(()),
            Role::Developer => {
                self.may_read(organization, project, repository).await?;
                let has = self.has(Right::Contribute, (organization, project, repository)).await;
                has.map_err(|problem| match problem.is_missing() {
                    true => Problem::forbidden(format!(
                        "{} may not contribute to {repository} at Azure DevOps",
                        self.session.actor.name
                    )),
                    false => problem,
                })
            }
            _ => Err(needs_operator(&self.session)),
        }
    }

    /// The same for the repository of a run.
    pub(super) async fn may_act_on(&self, run: &Run) -> Result<(), Problem> {
        let (project, repository) = (run.repository.project_key(), &run.repository.id);
        self.may_contribute(&run.organization, project, repository).await
    }

    async fn has(&self, right: Right, repository: (&str, &str, &str)) -> Result<(), Problem> {
        let Session { id, actor, refresh_token, until, .. } = &self.session;
        let person = Person {
            session: id,
            name: &actor.name,
            refresh_token: refresh_token.as_ref(),
            until: *until,
        };
        let has = self.state.rights.has(person, right, repository, self.now).await;
        let has = has.map_err(|error| {
            tracing::warn!("what {} may see is not known: {error}", actor.name);
            Problem::busy(&format!(
                "Azure DevOps could not be asked what you may see: {error}. Try again in a moment"
            ))
        })?;
        // The page of a developer says the same wherever something is missing.
        if has { Ok(()) } else { Err(self.missing("repository", repository.2)) }
    }

    /// 404, alike for what does not exist and for what one may not see.
    pub(super) fn missing(&self, what: &str, id: &str) -> Problem {
        missing(&self.session, what, id)
    }
}

/// 404, alike for what does not exist and for what one may not see.
pub(super) fn missing(session: &Session, what: &str, id: &str) -> Problem {
    let account = &session.actor.name;
    Problem::missing(format!("there is no {what} {id}, or {account} may not see it"))
}

/// 403 for who is no operator.
pub(super) fn needs_operator(session: &Session) -> Problem {
    let (name, role) = (&session.actor.name, session.role.as_str());
    Problem::forbidden(format!("this needs an operator, and {name} is a {role}"))
}

impl FromRequest for Visit {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let state: Option<&Data<State>> = request.app_data();
        let session = request.extensions().get::<Session>().cloned();
        let parameters = Parameters::from_request(request, payload).into_inner();
        let visit = match (state, session, parameters) {
            (Some(state), Some(session), Ok(parameters)) => Ok(Self {
                now: state.deps.clock.now(),
                state: state.clone(),
                session,
                here: here(request),
                theme: html::theme(request.headers()),
                parameters: parameters.filled(),
            }),
            _ => Err(Problem::unauthorized()),
        };
        ready(visit)
    }
}

/// The path and query of a request, as [`return_path`] takes it.
fn here(request: &HttpRequest) -> String {
    let uri = request.uri();
    uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string)
}

/// A path of a page of this gateway, below the gateway's address: the wanted one, where it is one.
pub(super) fn return_path(public_url: &Url, wanted: Option<&str>) -> String {
    let found = wanted.and_then(|wanted| {
        let url = public_url.join(wanted).ok()?;
        let path = url.path();
        let is_page = path == "/ui" || path.starts_with("/ui/");
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        (is_page && url.origin() == public_url.origin()).then(|| format!("{path}{query}"))
    });
    found.unwrap_or_else(|| "/ui".to_owned())
}

/// `?name=value&…`; empty without pairs.
pub(super) fn query<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let query = query.extend_pairs(pairs).finish();
    if query.is_empty() { query } else { format!("?{query}") }
}

/// A name as a part of a path.
pub(super) fn path_segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A part of a page: a block of its template, with the fields of the page.
macro_rules! part {
    ($part:ident of $page:ident: $path:tt, $block:tt) => {
        #[derive(askama::Template)]
        #[template(path = $path, block = $block)]
        struct $part<'p>(&'p $page);

        impl std::ops::Deref for $part<'_> {
            type Target = $page;

            fn deref(&self) -> &$page {
                self.0
            }
        }
    };
}
pub(super) use part;
