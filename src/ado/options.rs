//! Where an organization is found. It must never know the file that it came from.

use url::Url;

use super::client::under;
use crate::domain::event::Repository;

/// The addresses of one organization.
#[derive(Clone, Debug)]
pub struct Options {
    /// The bare name.
    pub name: String,
    /// `https://dev.azure.com/{name}`, or a collection of Azure DevOps Server; without a trailing
    /// slash.
    pub azure_devops_url: Url,
    /// `https://vssps.dev.azure.com/{name}`.
    pub identity_url: Url,
}

impl Options {
    /// Where git clones a repository from.
    pub fn clone_url(&self, repository: &Repository) -> Url {
        under(&self.azure_devops_url, &[&repository.project, "_git", &repository.name])
    }
}
