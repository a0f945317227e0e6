//! Completed builds: which one, and the project of its pipeline. What became of it is not read.
//!
//! Its repository is not read either: it may be in another project or at another host, and the
//! resource does not say in which.

use super::lenient::{Raw, filled, id, number, object};
use super::wire;
use crate::domain::fact::CompletedBuild;

/// Reads a build; the error is the name of the required field that is missing. `project` is used
/// when the build does not name its own, as in version 1.0.
pub(super) fn build(resource: Raw<'_>, project: Raw<'_>) -> Result<CompletedBuild, &'static str> {
    let wire: wire::Build<'_> = object(resource).ok_or("resource")?;
    let build = number(wire.id).filter(|id| *id >= 0).ok_or("id")?;
    let own: wire::Project<'_> = object(wire.project).unwrap_or_default();
    let project: wire::Project<'_> =
        if own.id.is_some() { own } else { object(project).unwrap_or_default() };
    let project_id = id(project.id).ok_or("project.id")?;
    Ok(CompletedBuild {
        id: build.to_string(),
        project: filled(project.name).unwrap_or_else(|| project_id.clone()),
        project_id,
    })
}
