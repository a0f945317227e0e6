//! Cache of verified hook credentials, by request path, so that a delivery costs one comparison
//! instead of two HMACs.
//!
//! A request hits the cache only with exactly the `Authorization` header that was verified for
//! exactly its path. Any other request is verified in full.

use std::sync::Arc;

use dashmap::DashMap;

use crate::secret::Secret;
use crate::storage::HookKey;

/// The most hooks that are cached. Only a request with a valid password adds one.
const HOOKS_MAX: usize = 10_000;

/// A hook whose password was verified.
#[derive(Debug)]
pub(super) struct VerifiedHook {
    /// The organization's name as configured.
    pub(super) organization: String,
    /// With the project that its password is bound to.
    pub(super) hook: String,
    pub(super) key: HookKey,
    /// The verified value of `Authorization`.
    header: Secret,
}

impl VerifiedHook {
    pub(super) fn new(organization: &str, hook: String, header: String) -> Self {
        Self {
            organization: organization.to_owned(),
            key: HookKey::new(organization, &hook),
            hook,
            header: Secret::new(header),
        }
    }
}

/// See the module. Keyed by the path as it was sent.
#[derive(Debug, Default)]
pub(super) struct VerifiedHooks(DashMap<String, Arc<VerifiedHook>>);

impl VerifiedHooks {
    /// The hook at `path`, if exactly this header was verified for it.
    pub(super) fn get(&self, path: &str, header: &[u8]) -> Option<Arc<VerifiedHook>> {
        let hook = self.0.get(path)?;
        bool::from(hook.header.is_exactly(header)).then(|| Arc::clone(&hook))
    }

    /// Adds a verified hook, unless the cache is full.
    pub(super) fn insert(&self, path: &str, hook: &Arc<VerifiedHook>) {
        if self.0.len() < HOOKS_MAX || self.0.contains_key(path) {
            self.0.insert(path.to_owned(), Arc::clone(hook));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_only_with_the_verified_header_at_the_verified_path() {
        let cache = VerifiedHooks::default();
        let path = "/hooks/azure-devops/contoso/push";
        assert!(cache.get(path, b"Basic a").is_none());
        cache
            .insert(path, &Arc::new(VerifiedHook::new("Contoso", "push".into(), "Basic a".into())));
        assert_eq!(
            cache.get(path, b"Basic a").map(|hook| hook.organization.clone()).as_deref(),
            Some("Contoso")
        );
        for header in ["Basic b", "Basic ", "Basic aa", ""] {
            assert!(cache.get(path, header.as_bytes()).is_none(), "{header}");
        }
        assert!(cache.get("/hooks/azure-devops/Contoso/push", b"Basic a").is_none());
    }
}
