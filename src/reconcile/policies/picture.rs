//! What a plan is made from: who we are, which repositories there are, which policies their
//! projects have, and which of them we remember as ours.
//!
//! One question that is not answered ends it: what is not seen must not be added a second time. It
//! must never change anything.

use std::collections::BTreeSet;

use crate::ado::{self, Scope};
use crate::credentials::CallError;
use crate::domain::check::Check;
use crate::domain::policy::{Defaults, Found, View, wanted};
use crate::domain::subscription::Watched;
use crate::reconcile::turn::{Stop, Turn, Upkept};

/// What the calls are for.
const LOOK: &str = "policies";
/// Pages of one project; five hundred policies each.
const PAGES_MAX: usize = 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Picture {
    seen: Vec<Watched>,
    defaults: Defaults,
    ours: BTreeSet<(String, i64)>,
    me: String,
    read: BTreeSet<String>,
    found: Vec<Found>,
}

impl Picture {
    pub(super) fn view<'a>(&'a self, organization: &'a str, checks: &'a [Check]) -> View<'a> {
        let Self { seen, defaults, ours, me, read, found } = self;
        View { organization, checks, seen, defaults, ours, me, read, found }
    }
}

/// Asks for everything; nothing is asked where there is nothing to keep.
pub(super) async fn picture(
    turn: &Turn<'_>,
    at: &Upkept,
    checks: &[Check],
) -> Result<Option<Picture>, Stop> {
    let organization = &at.organization;
    let rows = at.store.policies(organization).await?;
    let is_here = |check: &Check| check.organization.eq_ignore_ascii_case(organization);
    if rows.is_empty() && !checks.iter().any(|check| check.required && is_here(check)) {
        return Ok(None);
    }
    let ours: BTreeSet<(String, i64)> =
        rows.into_iter().map(|row| (row.project_id, row.id)).collect();
    let ask = |credential| at.client.connection(credential);
    let me = turn.call(Scope::Code, LOOK, ask).await?.identity.id.to_lowercase();
    let ask = |credential| at.client.repositories_and_defaults(credential);
    let (mut seen, mut defaults) = (Vec::new(), Defaults::new());
    for (repository, default) in turn.call(Scope::Code, LOOK, ask).await? {
        let former_names = at.store.former_names(organization, &repository).await?;
        defaults.extend(default.map(|name| (repository.id.clone(), name)));
        seen.push(Watched { repository, former_names });
    }
    let wanted = wanted(checks, organization, &seen, &defaults).into_iter();
    let wanted: BTreeSet<String> = wanted.map(|one| one.project_id).collect();
    let (mut found, mut read) = (Vec::new(), BTreeSet::new());
    let remembered = ours.iter().map(|(project, _)| project.clone());
    for project in wanted.iter().cloned().chain(remembered).collect::<BTreeSet<String>>() {
        match policies(turn, at, &project).await {
            // What is gone needs nothing done, and what is only hidden from us may come back.
            Err(Stop::Call(CallError::Ado(ado::Error::NotFound { .. })))
                if !wanted.contains(&project) => {}
            listed => {
                found.extend(listed?);
                read.insert(project);
            }
        }
    }
    Ok(Some(Picture { seen, defaults, ours, me, read, found }))
}

/// Every status policy of a project.
async fn policies(turn: &Turn<'_>, at: &Upkept, project: &str) -> Result<Vec<Found>, Stop> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    for _ in 0..PAGES_MAX {
        let ask = |credential| at.client.policies(credential, project, after.as_deref());
        let (page, next) = turn.call(Scope::Code, LOOK, ask).await?;
        found.extend(page);
        // A server that does not page gives the same one again.
        if next.is_none() || next == after {
            return Ok(found);
        }
        after = next;
    }
    let reason = format!("project {project} has more policies than are read");
    let error = ado::Error::Unavailable { reason, doubtful: false, retry_after: None };
    Err(Stop::Call(error.into()))
}
