//! One token, one call: the way in which everything is done unless the operator chooses otherwise.
//!
//! It must never lend a token that was lent before.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::minter::{Minter, REFUSED};
use super::shelf::Shelf;
use super::{Error, Purpose, Source};
use crate::ado::{Credential, Scope};

/// How often the shelves are emptied while what was minted comes in.
const PACE: Duration = Duration::from_millis(10);

/// See the module.
#[derive(Debug)]
pub(super) struct SingleUse {
    minter: Arc<Minter>,
    /// Empty where nothing is minted ahead.
    shelves: HashMap<Scope, Arc<Shelf>>,
}

impl SingleUse {
    /// Lends tokens of this minter, minted ahead or when they are asked for.
    pub(super) fn new(minter: Arc<Minter>, is_ahead: bool) -> Self {
        let shelf = |scope| (scope, Arc::default());
        let shelves = match is_ahead {
            // Other calls are rare, and nobody waits for them.
            true => [Scope::CodeStatus].into_iter().map(shelf).collect(),
            false => HashMap::new(),
        };
        Self { minter, shelves }
    }

    fn mint_ahead(&self, scope: Scope, shelf: &Arc<Shelf>, count: usize) {
        for _ in 0..count {
            let (minter, shelf) = (Arc::clone(&self.minter), Arc::clone(shelf));
            tokio::spawn(async move {
                match minter.mint(scope, Purpose::new("ahead")).await {
                    Ok(pat) => shelf.put(pat),
                    Err(_) => shelf.failed(minter.books.clock.now()),
                }
            });
        }
    }
}

#[async_trait]
impl Source for SingleUse {
    async fn credential(&self, scope: Scope, purpose: Purpose) -> Result<Credential, Error> {
        if let Some(shelf) = self.shelves.get(&scope) {
            let now = self.minter.books.clock.now();
            let (ready, missing) = shelf.take(now, self.minter.lifetime, purpose.settle);
            self.mint_ahead(scope, shelf, missing);
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
        for (scope, shelf) in &self.shelves {
            let missing = shelf.tidy(self.minter.books.clock.now(), self.minter.lifetime);
            self.mint_ahead(*scope, shelf, missing);
        }
        self.minter.sweep().await;
    }

    async fn pause(&self) {
        let emptying = async {
            // What is being minted ahead comes a moment later.
            let mut pace = tokio::time::interval(PACE);
            loop {
                self.shelves.values().for_each(|shelf| shelf.empty());
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
