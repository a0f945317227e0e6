//! PATs of one scope that were minted before a call needed them, so that posting a status does not
//! wait for minting.
//!
//! In steady traffic the pool holds as many PATs as are needed during the time that minting takes.
//! Otherwise none is minted ahead, since it might stay unused: there are as many mints as calls.
//! The pool only counts; its owner mints.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;

use super::token::Pat;
use crate::domain::pat::{Demand, life_needed};
use crate::domain::time::Timestamp;

/// How long nothing is minted ahead after minting failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct TokenPool(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Pat>,
    demand: Demand,
    /// PATs that the owner was asked to mint and that have not come in yet.
    minting: usize,
    paused_until: Timestamp,
    /// A closed pool keeps nothing.
    is_closed: bool,
}

impl TokenPool {
    /// A PAT that is at least `min_age` old and lives long enough for a call, if there is one; and
    /// how many PATs to mint now.
    pub(super) fn take(
        &self,
        now: Timestamp,
        lifetime: Duration,
        min_age: Duration,
    ) -> (Option<Pat>, usize) {
        let mut state = self.0.lock();
        if state.is_closed {
            return (None, 0);
        }
        state.demand.add(now);
        state.discard(now, lifetime);
        let oldest = state.ready.front();
        let is_old_enough = oldest.is_some_and(|pat| now.since(pat.minted_at) >= min_age);
        let pat = if is_old_enough { state.ready.pop_front() } else { None };
        (pat, state.missing(now))
    }

    /// Adds a PAT that was minted ahead.
    pub(super) fn put(&self, pat: Pat) {
        let mut state = self.0.lock();
        state.minting = state.minting.saturating_sub(1);
        if !state.is_closed {
            state.ready.push_back(pat);
        }
    }

    /// Minting a PAT for the pool failed.
    pub(super) fn mint_failed(&self, now: Timestamp) {
        let mut state = self.0.lock();
        state.minting = state.minting.saturating_sub(1);
        state.paused_until = now.plus(PAUSE_AFTER_FAILURE);
    }

    /// Drops PATs that are too old or not needed any more. Returns how many to mint now.
    pub(super) fn maintain(&self, now: Timestamp, lifetime: Duration) -> usize {
        let mut state = self.0.lock();
        state.discard(now, lifetime);
        state.missing(now)
    }

    /// Drops every PAT, also those that are being minted when they come in, until
    /// [`TokenPool::open`].
    pub(super) fn close(&self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        state.ready.clear();
        state.demand = Demand::default();
    }

    pub(super) fn open(&self) {
        self.0.lock().is_closed = false;
    }
}

impl State {
    fn discard(&mut self, now: Timestamp, lifetime: Duration) {
        let needed_until = now.plus(life_needed(lifetime));
        self.ready.retain(|pat| pat.valid_to > needed_until);
        if self.demand.is_over(now) {
            self.ready.clear();
        }
    }

    /// How many PATs are missing; they count as being minted from here on.
    fn missing(&mut self, now: Timestamp) -> usize {
        if self.is_closed || now < self.paused_until {
            return 0;
        }
        let wanted = self.demand.ready_wanted(now);
        let missing = wanted.saturating_sub(self.ready.len() + self.minting);
        self.minting += missing;
        missing
    }
}
