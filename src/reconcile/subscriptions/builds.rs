//! What only hooks about builds need: whether there may be any, and the projects that the list of
//! repositories does not name. A pipeline may be in a project of which our identity sees no
//! repository.

use std::collections::BTreeMap;

use crate::ado::Scope;
use crate::domain::check::{Check, in_pipelines};
use crate::domain::subscription::{OwnedHook, Topic, unseen_pipeline_projects};
use crate::reconcile::context::OrganizationContext;
use crate::reconcile::pass::{Pass, Stop, ends_the_pass};
use crate::storage;

/// Whether a check runs in pipelines of the organization, or has: otherwise nobody is asked about
/// hooks for it.
pub(super) async fn are_possible(
    context: &OrganizationContext,
    checks: &[Check],
) -> Result<bool, storage::Error> {
    let OrganizationContext { organization, deps, .. } = context;
    if in_pipelines(checks, organization).next().is_some() {
        return Ok(true);
    }
    let known = deps.store.hooks(organization).await?.hook_scopes;
    Ok(known.iter().any(|row| row.hook_scope.topic == Topic::BuildsCompleted))
}

/// Adds the ids and names of the projects whose pipelines run checks, and of those that have hooks
/// of ours about builds. One that our identity does not see is not added.
pub(super) async fn look_up(
    pass: &Pass<'_>,
    context: &OrganizationContext,
    checks: &[Check],
    owned: &[OwnedHook],
    projects: &mut BTreeMap<String, String>,
) -> Result<(), Stop> {
    let wanted = unseen_pipeline_projects(checks, &context.organization, projects).into_keys();
    let about_builds = owned.iter().filter(|one| one.found.topic == Topic::BuildsCompleted);
    let have_hooks = about_builds.filter_map(|one| one.found.project_id.clone());
    // Names first: checks name a project, and a hook has only its id.
    for project in wanted.chain(have_hooks) {
        let is_there =
            |(id, name): (&String, &String)| id.eq_ignore_ascii_case(&project) || *name == project;
        if projects.iter().any(is_there) {
            continue;
        }
        let look = |credential| context.client.project_id(credential, &project);
        match pass.call(Scope::Code, "hooks", look).await {
            Ok(id) => drop(projects.insert(id, project)),
            Err(Stop::Call(error)) if !ends_the_pass(&error) => {
                let organization = &context.organization;
                tracing::debug!(organization, project, "the project is not seen: {error}");
            }
            Err(stop) => return Err(stop),
        }
    }
    Ok(())
}
