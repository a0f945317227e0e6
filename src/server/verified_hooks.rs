//! Who knocked before: hooks whose password was verified in this process, so that a delivery costs
//! one comparison and not two HMACs.
//!
//! Only the very header that was verified opens, and only at the very path: whatever differs is
//! verified anew. It must never let anybody in that verification would not.

use std::sync::Arc;

use dashmap::DashMap;

use crate::secret::Secret;
use crate::storage::HookKey;

/// Hooks that are remembered: a password is needed to add one.
const DOORS_MAX: usize = 10_000;

/// A hook that proved itself.
#[derive(Debug)]
pub(super) struct Door {
    /// As configured.
    pub(super) organization: String,
    pub(super) hook: String,
    pub(super) key: HookKey,
    /// What `Authorization` held.
    header: Secret,
}

impl Door {
    pub(super) fn new(organization: &str, hook: &str, header: String) -> Self {
        Self {
            organization: organization.to_owned(),
            hook: hook.to_owned(),
            key: HookKey::new(organization, hook),
            header: Secret::new(header),
        }
    }
}

/// By path, as it was sent.
#[derive(Debug, Default)]
pub struct VerifiedHooks(DashMap<String, Arc<Door>>);

impl VerifiedHooks {
    /// The hook at `path`, if this header was verified for it.
    pub(super) fn open(&self, path: &str, header: &[u8]) -> Option<Arc<Door>> {
        let door = self.0.get(path)?;
        bool::from(door.header.is_exactly(header)).then(|| Arc::clone(&door))
    }

    /// Remembers what was verified.
    pub(super) fn remember(&self, path: &str, door: &Arc<Door>) {
        if self.0.len() < DOORS_MAX || self.0.contains_key(path) {
            self.0.insert(path.to_owned(), Arc::clone(door));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_header_opens_and_only_there() {
        let verified_hooks = VerifiedHooks::default();
        let path = "/hooks/azure-devops/contoso/push";
        assert!(verified_hooks.open(path, b"Basic a").is_none());
        verified_hooks.remember(path, &Arc::new(Door::new("Contoso", "push", "Basic a".into())));
        assert_eq!(
            verified_hooks.open(path, b"Basic a").map(|door| door.organization.clone()).as_deref(),
            Some("Contoso")
        );
        for header in ["Basic b", "Basic ", "Basic aa", ""] {
            assert!(verified_hooks.open(path, header.as_bytes()).is_none(), "{header}");
        }
        assert!(verified_hooks.open("/hooks/azure-devops/Contoso/push", b"Basic a").is_none());
    }
}
