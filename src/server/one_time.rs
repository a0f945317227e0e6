//! A sign-in to the pages as operator that works once, for the demo. The process gives it to
//! itself: in a gateway that nobody asks for one, such as that of `serve`, there is none, and
//! nothing that is sent over HTTP makes one.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::credentials::entra::random_text;
use crate::secret::Secret;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct OneTimeSignIn(Arc<Mutex<Option<Secret>>>);

impl OneTimeSignIn {
    /// A new one, in place of one that was not used.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub(crate) fn issue(&self) -> Result<Secret, getrandom::Error> {
        let secret = random_text()?;
        *self.0.lock() = Some(secret.clone());
        Ok(secret)
    }

    /// Uses it up. Returns whether it is this one; a wrong one changes nothing.
    pub(super) fn take(&self, candidate: &str) -> bool {
        let mut held = self.0.lock();
        let is_it = held.as_ref().is_some_and(|secret| secret.is(candidate).into());
        if is_it {
            *held = None;
        }
        is_it
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_works_once_and_only_where_it_was_issued() {
        let (issued, other) = (OneTimeSignIn::default(), OneTimeSignIn::default());
        assert!(!issued.take(""));
        let secret = issued.issue().unwrap();
        assert!(!other.take(secret.expose()));
        assert!(!issued.take("another"));
        assert!(issued.take(secret.expose()));
        assert!(!issued.take(secret.expose()));
    }
}
