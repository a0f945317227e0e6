//! The state that a plan for policies is made from: who we are, which repositories there are, which
//! policies their projects have, and which of them the store says are ours.
//!
//! Without an answer to each question there is no snapshot: a policy that was not seen would be
//! added a second time.

use std::collections::BTreeSet;

use crate::ado::{self, Scope};
use crate::credentials::CallError;
use crate::domain::check::Check;
use crate::domain::policy::{Defaults, Found, Plan, View, desired, plan};
use crate::domain::subscription::Watched;
use crate::reconcile::context::OrganizationContext;
use crate::reconcile::pass::{Pass, Stop};

/// The purpose of the calls.
const PURPOSE: &str = "policies";
/// Pages of one project, of five hundred policies each.
const PAGES_MAX: usize = 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Snapshot {
    seen: Vec<Watched>,
    defaults: Defaults,
    owned: BTreeSet<(String, i64)>,
    me: String,
    read: BTreeSet<String>,
    found: Vec<Found>,
}

impl Snapshot {
    pub(super) fn plan(&self, organization: &str, checks: &[Check]) -> Plan {
        let Self { seen, defaults, owned, me, read, found } = self;
        plan(&View { organization, checks, seen, defaults, owned, me, read, found })
    }
}

/// Reads everything; none, without a call, where no check is required and no policy is ours.
pub(super) async fn snapshot(
    pass: &Pass<'_>,
    context: &OrganizationContext,
    checks: &[Check],
) -> Result<Option<Snapshot>, Stop> {
    let OrganizationContext { organization, client, deps, .. } = context;
    let rows = deps.store.policies(organization).await?;
    let is_here = |check: &Check| check.organization.eq_ignore_ascii_case(organization);
    if rows.is_empty() && !checks.iter().any(|check| check.required && is_here(check)) {
        return Ok(None);
    }
    let owned: BTreeSet<(String, i64)> =
        rows.into_iter().map(|row| (row.project_id, row.id)).collect();
    let get = |credential| client.connection(credential);
    let me = pass.call(Scope::Code, PURPOSE, get).await?.identity.id.to_lowercase();
    let list = |credential| client.repositories_and_defaults(credential);
    let (mut seen, mut defaults) = (Vec::new(), Defaults::new());
    for (repository, default) in pass.call(Scope::Code, PURPOSE, list).await? {
        let former_names = deps.store.former_names(organization, &repository).await?;
        defaults.extend(default.map(|name| (repository.id.clone(), name)));
        seen.push(Watched { repository, former_names });
    }
    let desired = desired(checks, organization, &seen, &defaults).into_iter();
    let desired: BTreeSet<String> = desired.map(|one| one.project_id).collect();
    let (mut found, mut read) = (Vec::new(), BTreeSet::new());
    let recorded = owned.iter().map(|(project, _)| project.clone());
    for project in desired.iter().cloned().chain(recorded).collect::<BTreeSet<String>>() {
        match policies(pass, context, &project).await {
            // A deleted project needs nothing, and one that is hidden from us may become visible.
            Err(Stop::Call(CallError::Ado(ado::Error::NotFound { .. })))
                if !desired.contains(&project) => {}
            listed => {
                found.extend(listed?);
                read.insert(project);
            }
        }
    }
    Ok(Some(Snapshot { seen, defaults, owned, me, read, found }))
}

/// Every status policy of a project.
async fn policies(
    pass: &Pass<'_>,
    context: &OrganizationContext,
    project: &str,
) -> Result<Vec<Found>, Stop> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    for _ in 0..PAGES_MAX {
        let list = |credential| context.client.policies(credential, project, after.as_deref());
        let (page, next) = pass.call(Scope::Code, PURPOSE, list).await?;
        found.extend(page);
        // A server without paging returns the same page again.
        if next.is_none() || next == after {
            return Ok(found);
        }
        after = next;
    }
    let reason = format!("project {project} has more policies than are read");
    let error = ado::Error::Unavailable { reason, doubtful: false, retry_after: None };
    Err(Stop::Call(error.into()))
}
