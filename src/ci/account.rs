//! Accounts at CI systems: how fast each may be called, and pauses that it asks for.
//!
//! All sections of the configuration with the same account share its budget.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::error::Error;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// A pause is never longer, whatever a CI asks for.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// So many calls may be made at once by an account that was not called for long.
const BURST_SECONDS: u32 = 6;

tokio::task_local! {
    /// Whether a call of the operation under way was made already.
    static HAS_BEGUN: Cell<bool>;
}

/// Makes the calls of an operation as one, as far as `requests_per_minute` is concerned: they all
/// count, and only the first waits for its turn. Otherwise operations that begin at the same time
/// would use up each other's turns, and none would end.
pub(in crate::ci) async fn as_one<T>(operation: impl Future<Output = T>) -> T {
    HAS_BEGUN.scope(Cell::new(false), operation).await
}

/// Pauses of accounts, to be stored.
pub(in crate::ci) type Pauses = BTreeMap<String, (Timestamp, String)>;

/// What tells the account of a token from others without the token itself. Not for passwords, which
/// could be guessed from it.
pub(in crate::ci) fn fingerprint(token: &Secret) -> String {
    let digest = Sha256::digest(token.expose().as_bytes());
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// All accounts, by name.
#[derive(Debug, Default)]
pub(in crate::ci) struct Accounts {
    by_name: Mutex<BTreeMap<String, Arc<Account>>>,
}

/// One account. Its name has no secret: the kind, the host and what identifies the account there.
#[derive(Debug)]
pub(in crate::ci) struct Account {
    name: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Calls per minute, at most; 0 is without a limit.
    per_minute: u32,
    /// When the next call may be made by that limit, were there no burst.
    next_at: Timestamp,
    pause: Option<(Timestamp, String)>,
    /// Whether the pause is not stored yet.
    is_new: bool,
}

impl Accounts {
    /// The account of that name, which the lowest limit of all its sections holds for.
    pub(in crate::ci) fn get(&self, name: &str, per_minute: Option<u32>) -> Arc<Account> {
        let mut accounts = self.by_name.lock();
        let account = accounts.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Account { name: name.to_owned(), state: Mutex::default() })
        });
        if let Some(per_minute) = per_minute {
            let mut state = account.state.lock();
            if state.per_minute == 0 || per_minute < state.per_minute {
                state.per_minute = per_minute;
            }
        }
        Arc::clone(account)
    }

    /// The pauses that began since the last call, to be stored.
    pub(in crate::ci) fn take_new_pauses(&self) -> Pauses {
        let accounts = self.by_name.lock();
        let new = accounts.values().filter_map(|account| {
            let mut state = account.state.lock();
            let is_new = std::mem::take(&mut state.is_new);
            Some((account.name.clone(), state.pause.clone().filter(|_| is_new)?))
        });
        new.collect()
    }

    /// Applies pauses that were stored, here or by another replica.
    pub(in crate::ci) fn apply(&self, pauses: Pauses) {
        let accounts = self.by_name.lock();
        for (name, (until, reason)) in pauses {
            if let Some(account) = accounts.get(&name) {
                account.state.lock().extend(until, reason);
            }
        }
    }
}

impl State {
    /// Whether the pause is a longer one now.
    fn extend(&mut self, until: Timestamp, reason: String) -> bool {
        let is_longer = self.pause.as_ref().is_none_or(|(before, _)| *before < until);
        if is_longer {
            self.pause = Some((until, reason));
        }
        is_longer
    }
}

impl Account {
    /// Counts a call.
    ///
    /// # Errors
    /// It must not be made yet: [`Error::Paused`].
    pub(in crate::ci) fn admit(&self, now: Timestamp) -> Result<(), Error> {
        let mut state = self.state.lock();
        if let Some((until, reason)) = state.pause.as_ref().filter(|(until, _)| *until > now) {
            return Err(Error::Paused { reason: reason.clone(), until: *until });
        }
        state.pause = None;
        let Some(each) = Duration::from_secs(60).checked_div(state.per_minute) else {
            return Ok(());
        };
        let burst = Duration::from_secs(BURST_SECONDS.into());
        let next_at = state.next_at.max(now.minus(burst));
        let has_begun = HAS_BEGUN.try_with(Cell::get).unwrap_or(false);
        if next_at > now && !has_begun {
            let reason = format!("requests_per_minute = {} is reached", state.per_minute);
            return Err(Error::Paused { reason, until: next_at });
        }
        state.next_at = next_at.plus(each);
        // Outside of an operation each call waits for its turn.
        let _ = HAS_BEGUN.try_with(|has_begun| has_begun.set(true));
        Ok(())
    }

    /// Makes no more calls for `wait`.
    pub(in crate::ci) fn pause(&self, wait: Duration, reason: &str, now: Timestamp) {
        let until = now.plus(wait.min(PAUSE_MAX));
        let mut state = self.state.lock();
        if state.extend(until, reason.to_owned()) {
            state.is_new = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

    fn at(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn the_lowest_limit_of_an_account_holds() {
        let accounts = Accounts::default();
        let account = accounts.get("jenkins ci.example", Some(60));
        accounts.get("jenkins ci.example", Some(600));
        accounts.get("jenkins ci.example", None);
        // A burst of what six seconds allow, and the call that is due now.
        assert_eq!((0..20).filter(|_| account.admit(NOW).is_ok()).count(), 7);
        assert!(account.admit(at(1)).is_ok());
        let refused = account.admit(at(1)).unwrap_err();
        assert!(refused.to_string().contains("requests_per_minute = 60"), "{refused}");
        assert!((0..1_000).all(|_| accounts.get("other", None).admit(NOW).is_ok()));
    }

    #[tokio::test]
    async fn an_operation_that_has_begun_is_not_put_off_and_counts() {
        let accounts = Accounts::default();
        let account = accounts.get("jenkins ci.example", Some(10));
        let calls = async { [account.admit(NOW), account.admit(NOW), account.admit(NOW)] };
        assert_eq!(as_one(calls).await, [Ok(()), Ok(()), Ok(())]);
        // Two calls could be made at once, and the third is due after twelve seconds.
        let refused = as_one(async { [account.admit(at(11)), account.admit(at(11))] }).await;
        assert!(refused.iter().all(Result::is_err));
        let paused = as_one(async {
            let first = account.admit(at(12));
            account.pause(Duration::from_secs(60), "429", at(12));
            [first, account.admit(at(13))]
        });
        let [first, second] = paused.await;
        assert!(first.is_ok() && second.is_err(), "what the CI asks for holds for every call");
    }

    #[test]
    fn a_pause_is_told_once_and_ends() {
        let accounts = Accounts::default();
        let account = accounts.get("a", None);
        account.pause(Duration::from_secs(300), "locked out", NOW);
        account.pause(Duration::from_secs(5), "429", NOW);
        let until = at(300);
        assert_eq!(
            account.admit(at(299)),
            Err(Error::Paused { reason: "locked out".into(), until })
        );
        assert_eq!(account.admit(at(300)), Ok(()));
        account.pause(Duration::from_secs(1_000_000), "for ever", at(300));
        let new = accounts.take_new_pauses();
        assert_eq!(new.get("a"), Some(&(at(300 + 3_600), "for ever".to_owned())));
        assert!(accounts.take_new_pauses().is_empty());
        let restarted = Accounts::default();
        let account = restarted.get("a", None);
        restarted.apply(new);
        assert!(account.admit(at(3_000)).is_err());
        assert!(restarted.take_new_pauses().is_empty(), "it is stored already");
    }
}
