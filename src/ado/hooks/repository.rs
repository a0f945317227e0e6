//! The repository that a delivery is about: ids and present names.
//!
//! A minimal resource may lack the names, or even the project; then ids are used instead.

use super::lenient::{Raw, filled, id, object};
use super::wire::{Body, Containers, Elsewhere, Project, PullRequest, Repository as Wire};
use crate::domain::event::Repository;

/// Reads a repository with its project; `project` is used when the repository does not name its
/// own.
pub(super) fn repository(raw: Raw<'_>, project: Raw<'_>) -> Result<Repository, &'static str> {
    let wire: Wire<'_> = object(raw).ok_or("repository")?;
    let repository_id = id(wire.id).ok_or("repository.id")?;
    let own_project: Project<'_> = object(wire.project).unwrap_or_default();
    let other_project: Project<'_> = object(project).unwrap_or_default();
    let project_id = id(own_project.id).or_else(|| id(other_project.id));
    let project_id = project_id.ok_or("repository.project.id")?;
    // The name of `project` is used only together with its id.
    let other_name = if own_project.id.is_none() { other_project.name } else { None };
    Ok(Repository {
        name: filled(wire.name).unwrap_or_else(|| repository_id.clone()),
        id: repository_id,
        project: filled(own_project.name)
            .or_else(|| filled(other_name))
            .unwrap_or_else(|| project_id.clone()),
        project_id,
    })
}

/// The project in `resourceContainers`, used when nothing else names one.
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

/// `git.repo.deleted`, the only event whose repository is not an object (docs/azure-devops.md
/// §2.5).
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
