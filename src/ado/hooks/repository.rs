//! Which repository a delivery is about: its ids, and its names of today.
//!
//! A resource that is cut down may lack the names, or even the project; then ids stand in. It must
//! never look at a URL, although they contain the same.

use super::lenient::{Raw, filled, id, object};
use super::wire::{Body, Containers, Elsewhere, Project, PullRequest, Repository as Wire};
use crate::domain::event::Repository;

/// A repository with its project; `project` is where to look when the repository does not tell it.
pub(super) fn repository(raw: Raw<'_>, project: Raw<'_>) -> Result<Repository, &'static str> {
    let wire: Wire<'_> = object(raw).ok_or("repository")?;
    let repository_id = id(wire.id).ok_or("repository.id")?;
    let of_itself: Project<'_> = object(wire.project).unwrap_or_default();
    let of_others: Project<'_> = object(project).unwrap_or_default();
    let project_id = id(of_itself.id).or_else(|| id(of_others.id));
    let project_id = project_id.ok_or("repository.project.id")?;
    // The other's name only where the id is the other's, too.
    let others_name = if of_itself.id.is_none() { of_others.name } else { None };
    Ok(Repository {
        name: filled(wire.name).unwrap_or_else(|| repository_id.clone()),
        id: repository_id,
        project: filled(of_itself.name)
            .or_else(|| filled(others_name))
            .unwrap_or_else(|| project_id.clone()),
        project_id,
    })
}

/// The project of the containers: the last resort.
pub(super) fn container_project<'a>(body: &Body<'a>) -> Raw<'a> {
    object::<Containers<'_>>(body.resource_containers).and_then(|containers| containers.project)
}

/// The repository of an event that starts nothing, and its former name.
pub(super) fn elsewhere(body: &Body<'_>) -> (Option<Repository>, Option<String>) {
    let resource: Elsewhere<'_> = object(body.resource).unwrap_or_default();
    let comment: PullRequest<'_> = object(resource.pull_request).unwrap_or_default();
    let around = resource.project.or(container_project(body));
    let found = [resource.repository, resource.target_repository, comment.repository]
        .into_iter()
        .find_map(|raw| repository(raw, around).ok())
        .or_else(|| deleted(&resource, around));
    let former = found.as_ref().and_then(|found| {
        filled(resource.old_name).map(|old_name| format!("{}/{old_name}", found.project))
    });
    (found, former)
}

/// The only event that names the parts of a repository by themselves (docs/azure-devops.md §2.5).
fn deleted(resource: &Elsewhere<'_>, project: Raw<'_>) -> Option<Repository> {
    let project: Project<'_> = object(project)?;
    let (repository_id, project_id) = (id(resource.repository_id)?, id(project.id)?);
    Some(Repository {
        name: filled(resource.repository_name).unwrap_or_else(|| repository_id.clone()),
        id: repository_id,
        project: filled(project.name).unwrap_or_else(|| project_id.clone()),
        project_id,
    })
}
