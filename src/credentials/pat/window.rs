//! `pat_use = "window"`: one PAT per scope serves all calls of its lifetime, for organizations
//! whose mail and audit log a PAT per call would flood.
//!
//! A PAT that is replaced is revoked when the last call with it has ended.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::mint::{Minter, REFUSAL_ADVICE};
use super::token::ReusablePat;
use crate::ado::{Credential, Scope};
use crate::credentials::error::Error;
use crate::credentials::source::{Purpose, Source};
use crate::domain::pat::life_needed;
use crate::domain::time::Timestamp;

/// See the module.
#[derive(Debug)]
pub(in crate::credentials) struct WindowPats {
    minter: Arc<Minter>,
    current: Mutex<HashMap<Scope, ReusablePat>>,
}

impl WindowPats {
    pub(in crate::credentials) fn new(minter: Arc<Minter>) -> Self {
        Self { minter, current: Mutex::default() }
    }

    /// How long a PAT must still be valid to serve a call that begins now.
    fn needed_until(&self) -> Timestamp {
        self.minter.clock.now().plus(life_needed(self.minter.lifetime))
    }
}

#[async_trait]
impl Source for WindowPats {
    async fn credential(&self, scope: Scope, purpose: Purpose) -> Result<Credential, Error> {
        // Held while minting, so that callers who need the same PAT wait for it.
        let mut current = self.current.lock().await;
        // The user may have been unlinked since the current PAT was minted.
        self.minter.session.access_token().await?;
        let (now, needed_until) = (self.minter.clock.now(), self.needed_until());
        let is_usable = |pat: &&ReusablePat| {
            pat.valid_to() > needed_until && now.since(pat.minted_at()) >= purpose.min_age
        };
        if let Some(pat) = current.get(&scope).filter(is_usable) {
            return Ok(pat.credential(purpose));
        }
        let pat = self.minter.mint(scope, purpose).await?.into_reusable();
        let credential = pat.credential(purpose);
        current.insert(scope, pat);
        Ok(credential)
    }

    fn is_freshly_minted(&self) -> bool {
        true
    }

    fn refusal_advice(&self) -> &'static str {
        REFUSAL_ADVICE
    }

    async fn maintain(&self) {
        self.minter.session.maintain().await;
        let needed_until = self.needed_until();
        self.current.lock().await.retain(|_, pat| pat.valid_to() > needed_until);
        self.minter.sweeper.sweep().await;
    }

    async fn pause(&self) {
        self.minter.pause().await;
        // A PAT that was being minted before the pause is in the map once the lock is free.
        self.current.lock().await.clear();
        self.minter.wait_until_revoked().await;
        self.minter.audit_log.written().await;
    }

    fn user_has_changed(&self) {
        self.minter.revoke_of_former_user();
    }

    fn resume(&self) {
        self.minter.resume();
    }
}
