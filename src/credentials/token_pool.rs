//! Tokens of one scope that were minted before anybody asked, so that a status waits for nothing
//! but its own call.
//!
//! As many lie ready as were lately asked for in the time that minting takes; where nobody asks,
//! none. It must never mint itself.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::minted::Pat;
use crate::domain::pat::{DEMAND_WINDOW, READY_MAX, life_needed, ready_wanted};
use crate::domain::time::Timestamp;

/// How long nothing is minted ahead after a mint that failed.
const REST: Duration = Duration::from_secs(5);
/// More than this within the window changes nothing.
const ASKED_MAX: usize = READY_MAX * 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct TokenPool(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    ready: VecDeque<Pat>,
    /// When tokens were asked for.
    asked: VecDeque<Timestamp>,
    minting: usize,
    rests_until: Timestamp,
}

impl TokenPool {
    /// A token with enough life left that is at least this old, and how many to mint now.
    pub(super) fn take(
        &self,
        now: Timestamp,
        lifetime: Duration,
        age: Duration,
    ) -> (Option<Pat>, usize) {
        let mut inner = self.inner();
        inner.asked.push_back(now);
        if inner.asked.len() > ASKED_MAX {
            inner.asked.pop_front();
        }
        inner.forget(now, lifetime);
        let is_old = inner.ready.front().is_some_and(|pat| now.since(pat.minted_at) >= age);
        let taken = if is_old { inner.ready.pop_front() } else { None };
        (taken, inner.begin(now))
    }

    /// A token that was minted ahead.
    pub(super) fn put(&self, pat: Pat) {
        let mut inner = self.inner();
        inner.minting = inner.minting.saturating_sub(1);
        inner.ready.push_back(pat);
    }

    /// A mint that did not work.
    pub(super) fn failed(&self, now: Timestamp) {
        let mut inner = self.inner();
        inner.minting = inner.minting.saturating_sub(1);
        inner.rests_until = now.plus(REST);
    }

    /// Lets go of what nobody asks for any more or is too old, and says how many to mint now.
    pub(super) fn tidy(&self, now: Timestamp, lifetime: Duration) -> usize {
        let mut inner = self.inner();
        inner.forget(now, lifetime);
        inner.begin(now)
    }

    /// Lets go of everything.
    pub(super) fn empty(&self) {
        let mut inner = self.inner();
        inner.ready.clear();
        inner.asked.clear();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, now: Timestamp, lifetime: Duration) {
        let since = now.minus(DEMAND_WINDOW);
        while self.asked.front().is_some_and(|at| *at < since) {
            self.asked.pop_front();
        }
        let needed = now.plus(life_needed(lifetime));
        self.ready.retain(|pat| pat.valid_to > needed);
        if self.asked.is_empty() {
            self.ready.clear();
        }
    }

    /// How many to mint now; they count as being minted from here on.
    fn begin(&mut self, now: Timestamp) -> usize {
        if now < self.rests_until {
            return 0;
        }
        let wanted = ready_wanted(self.asked.len());
        let missing = wanted.saturating_sub(self.ready.len() + self.minting);
        self.minting += missing;
        missing
    }
}
