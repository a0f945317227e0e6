//! Name and base URLs of one organization.

use url::Url;

use crate::domain::event::Repository;

/// See the module.
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
    /// The URL from which git clones a repository.
    pub fn clone_url(&self, repository: &Repository) -> Url {
        under(&self.azure_devops_url, &[&repository.project, "_git", &repository.name])
    }
}

/// `base` with further path segments, each percent-encoded.
pub(super) fn under(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // Only URLs such as `data:` have no path segments; the configuration accepts http and https.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
