//! A call with a credential of its own, and again with another one where Azure DevOps does not
//! know a fresh one yet.
//!
//! A refused token is not presented a second time: the next one is minted and given longer to
//! become known (docs/azure-devops.md §4.1). It must never retry anything else.

use std::time::Duration;

use super::{Error, Purpose, Source};
use crate::ado::{self, Credential, Scope};

/// How long the tokens of further tries are left to become known.
const SETTLES: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_millis(1_000), Duration::from_millis(3_000)];

/// Why a call did not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Ado(#[from] ado::Error),
    #[error(transparent)]
    Credential(#[from] Error),
}

/// Makes the call.
///
/// # Errors
/// The call's own, or that no credential is lent.
pub async fn call<T, F>(
    source: &dyn Source,
    scope: Scope,
    purpose: Purpose,
    make: impl Fn(Credential) -> F,
) -> Result<T, CallError>
where
    F: Future<Output = Result<T, ado::Error>>,
{
    let mut settles = SETTLES.into_iter();
    let mut purpose = purpose;
    loop {
        let credential = source.credential(scope, purpose).await?;
        match make(credential).await {
            Err(ado::Error::Unauthorized { reason }) => {
                match settles.next().filter(|_| source.is_fresh()) {
                    Some(settle) => purpose.settle = settle,
                    None => {
                        let reason = format!("{reason} {}", source.when_refused());
                        return Err(ado::Error::Unauthorized { reason }.into());
                    }
                }
            }
            other => return Ok(other?),
        }
    }
}
