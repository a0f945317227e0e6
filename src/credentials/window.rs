//! One token per scope for its lifetime: for organizations whose mail and audit log one token per
//! call would flood.
//!
//! The one before is revoked when the last call with it has ended. It must never outlive its
//! lifetime.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::minted::Pat;
use super::minter::{Minter, REFUSED};
use super::{Error, Purpose, Source};
use crate::ado::{Credential, Receipt, Scope, Usage};
use crate::domain::audit::Entry;
use crate::domain::pat::life_needed;

/// How often the window is emptied while what was minted comes in.
const PACE: Duration = Duration::from_millis(10);

/// See the module.
#[derive(Debug)]
pub(super) struct Window {
    minter: Arc<Minter>,
    current: Mutex<HashMap<Scope, Arc<Pat>>>,
}

impl Window {
    /// Lends tokens of this minter.
    pub(super) fn new(minter: Arc<Minter>) -> Self {
        Self { minter, current: Mutex::default() }
    }
}

#[async_trait]
impl Source for Window {
    async fn credential(&self, scope: Scope, purpose: Purpose) -> Result<Credential, Error> {
        // Whoever comes while one is minted waits for that one.
        let mut current = self.current.lock().await;
        self.minter.session.access().await?;
        let now = self.minter.audit_log.clock.now();
        let needed = now.plus(life_needed(self.minter.lifetime));
        let is_good =
            |pat: &&Arc<Pat>| pat.valid_to > needed && now.since(pat.minted_at) >= purpose.settle;
        let pat = match current.get(&scope).filter(is_good) {
            Some(pat) => Arc::clone(pat),
            None => {
                let pat = Arc::new(self.minter.mint(scope, purpose).await?);
                current.insert(scope, Arc::clone(&pat));
                pat
            }
        };
        let credential = pat.credential();
        Ok(credential.with_receipt(Box::new(Shared { pat, scope, purpose })))
    }

    fn is_fresh(&self) -> bool {
        true
    }

    fn when_refused(&self) -> &'static str {
        REFUSED
    }

    async fn upkeep(&self) {
        self.minter.session.upkeep().await;
        let needed = self.minter.audit_log.clock.now().plus(life_needed(self.minter.lifetime));
        self.current.lock().await.retain(|_, pat| pat.valid_to > needed);
        self.minter.sweep().await;
    }

    async fn pause(&self) {
        let emptying = async {
            let mut pace = tokio::time::interval(PACE);
            loop {
                self.current.lock().await.clear();
                pace.tick().await;
            }
        };
        tokio::select! {
            () = self.minter.pause() => {}
            () = emptying => {}
        }
        self.minter.audit_log.written().await;
    }

    fn resume(&self) {
        self.minter.resume();
    }
}

/// A token in one of the calls that share it.
struct Shared {
    pat: Arc<Pat>,
    scope: Scope,
    purpose: Purpose,
}

impl Receipt for Shared {
    fn used(self: Box<Self>, usage: Usage) {
        let minter = self.pat.minter();
        let (identity, pat) = (self.pat.identity(), self.pat.authorization_id());
        let entry = minter.audit_log.used(self.scope, self.purpose, Some(usage));
        minter.audit_log.record_later(Entry { identity, pat, ..entry });
    }
}
