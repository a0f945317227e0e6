//! One token, one call: the way in which everything is done unless the operator chooses otherwise.
//!
//! It must never lend a token that was lent before.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::minter::{Minter, REFUSED};
use super::token_pool::TokenPool;
use super::{Error, Purpose, Source};
use crate::ado::{Credential, Scope};

/// How often the shelves are emptied while what was minted comes in.
const PACE: Duration = Duration::from_millis(10);

/// See the module.
#[derive(Debug)]
pub(super) struct SingleUse {
    minter: Arc<Minter>,
    /// Empty where nothing is minted ahead.
    shelves: HashMap<Scope, Arc<TokenPool>>,
}

impl SingleUse {
    /// Lends tokens of this minter, minted ahead or when they are asked for.
    pub(super) fn new(minter: Arc<Minter>, is_ahead: bool) -> Self {
        let token_pool = |scope| (scope, Arc::default());
        let shelves = match is_ahead {
            // Other calls are rare, and nobody waits for them.
            true => [Scope::CodeStatus].into_iter().map(token_pool).collect(),
            false => HashMap::new(),
        };
        Self { minter, shelves }
    }

    fn mint_ahead(&self, scope: Scope, token_pool: &Arc<TokenPool>, count: usize) {
        for _ in 0..count {
            let (minter, token_pool) = (Arc::clone(&self.minter), Arc::clone(token_pool));
            tokio::spawn(async move {
                match minter.mint(scope, Purpose::new("ahead")).await {
                    Ok(pat) => token_pool.put(pat),
                    Err(_) => token_pool.failed(minter.audit_log.clock.now()),
                }
            });
        }
    }
}

#[async_trait]
impl Source for SingleUse {
    async fn credential(&self, scope: Scope, purpose: Purpose) -> Result<Credential, Error> {
        if let Some(token_pool) = self.shelves.get(&scope) {
            let now = self.minter.audit_log.clock.now();
            let (ready, missing) = token_pool.take(now, self.minter.lifetime, purpose.settle);
            self.mint_ahead(scope, token_pool, missing);
            // What is unlinked must not be used any more, however ready it lies.
            if let Some(pat) = ready {
                self.minter.session.access().await?;
                return Ok(pat.lend(purpose));
            }
        }
        Ok(self.minter.mint(scope, purpose).await?.lend(purpose))
    }

    fn is_fresh(&self) -> bool {
        true
    }

    fn when_refused(&self) -> &'static str {
        REFUSED
    }

    async fn upkeep(&self) {
        self.minter.session.upkeep().await;
        for (scope, token_pool) in &self.shelves {
            let missing = token_pool.tidy(self.minter.audit_log.clock.now(), self.minter.lifetime);
            self.mint_ahead(*scope, token_pool, missing);
        }
        self.minter.sweep().await;
    }

    async fn pause(&self) {
        let emptying = async {
            // What is being minted ahead comes a moment later.
            let mut pace = tokio::time::interval(PACE);
            loop {
                self.shelves.values().for_each(|token_pool| token_pool.empty());
                pace.tick().await;
            }
        };
        tokio::select! {
            () = self.minter.pause() => {}
            () = emptying => {}
        }
    }

    fn resume(&self) {
        self.minter.resume();
    }
}
