//! The project at Azure DevOps whose pipelines run a check.

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineProject {
    /// Name of the organization that the project is in; not always that of the check.
    pub organization: String,
    /// Its name or its GUID, as configured.
    pub project: String,
}

impl PipelineProject {
    /// Whether it is in this organization.
    pub fn is_in(&self, organization: &str) -> bool {
        self.organization.eq_ignore_ascii_case(organization)
    }

    /// Whether it is the project with this GUID or this name.
    pub fn is(&self, project_id: &str, name: &str) -> bool {
        let project = self.project.to_lowercase();
        project == project_id.to_lowercase() || project == name.to_lowercase()
    }
}
