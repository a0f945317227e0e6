//! An app registration, and the tenant that it belongs to.

use url::Url;

/// A tenant at an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// `https://login.microsoftonline.com`, or that of a national cloud.
    pub url: Url,
    /// The tenant's GUID: tokens name the tenant by it, never by a domain name.
    pub tenant_id: String,
}

impl Authority {
    /// An address below the tenant.
    pub(super) fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.url.clone();
        // Only URLs like `data:` have no path segments; the configuration takes http and https
        // only.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(&self.tenant_id).extend(segments);
        }
        url
    }
}

/// An app registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    pub authority: Authority,
    pub client_id: String,
}
