//! `pat_use = "single"`, the default: a PAT of its own for every call.

use std::sync::Arc;

use async_trait::async_trait;

use super::mint::{Minter, REFUSAL_ADVICE};
use super::pool::TokenPool;
use crate::ado::{Credential, Scope};
use crate::credentials::error::Error;
use crate::credentials::source::{Purpose, Source};

/// The scope whose PATs are minted ahead. Other calls are rare, and no status waits for them.
const POOLED: Scope = Scope::CodeStatus;

/// See the module.
#[derive(Debug)]
pub(in crate::credentials) struct SingleUsePats {
    minter: Arc<Minter>,
    /// None where nothing is minted ahead.
    pool: Option<Arc<TokenPool>>,
}

impl SingleUsePats {
    pub(in crate::credentials) fn new(minter: Arc<Minter>, mint_ahead: bool) -> Self {
        Self { minter, pool: mint_ahead.then(Arc::default) }
    }

    fn mint_ahead(&self, pool: &Arc<TokenPool>, count: usize) {
        for _ in 0..count {
            let (minter, pool) = (Arc::clone(&self.minter), Arc::clone(pool));
            tokio::spawn(async move {
                match minter.mint(POOLED, Purpose::new("ahead")).await {
                    Ok(pat) => pool.put(pat),
                    Err(_) => pool.mint_failed(minter.clock.now()),
                }
            });
        }
    }
}

#[async_trait]
impl Source for SingleUsePats {
    async fn credential(&self, scope: Scope, purpose: Purpose) -> Result<Credential, Error> {
        let pool = self.pool.as_ref().filter(|_| scope == POOLED);
        if let Some(pool) = pool {
            let now = self.minter.clock.now();
            let (pat, missing) = pool.take(now, self.minter.lifetime, purpose.min_age);
            self.mint_ahead(pool, missing);
            if let Some(pat) = pat {
                // The user may have been unlinked since this PAT was minted.
                self.minter.session.access_token().await?;
                return Ok(pat.into_credential(purpose));
            }
        }
        Ok(self.minter.mint(scope, purpose).await?.into_credential(purpose))
    }

    fn is_freshly_minted(&self) -> bool {
        true
    }

    fn refusal_advice(&self) -> &'static str {
        REFUSAL_ADVICE
    }

    async fn maintain(&self) {
        self.minter.session.maintain().await;
        if let Some(pool) = &self.pool {
            let missing = pool.maintain(self.minter.clock.now(), self.minter.lifetime);
            self.mint_ahead(pool, missing);
        }
        self.minter.sweeper.sweep().await;
    }

    async fn pause(&self) {
        self.minter.pause().await;
        self.pool.iter().for_each(|pool| pool.close());
        self.minter.wait_until_revoked().await;
    }

    fn user_has_changed(&self) {
        self.minter.revoke_of_former_user();
    }

    fn resume(&self) {
        self.pool.iter().for_each(|pool| pool.open());
        self.minter.resume();
    }
}
