//! Makes one call to Azure DevOps with a credential of its own.
//!
//! Azure DevOps may refuse a PAT that was just minted, because it does not know it yet
//! (docs/azure-devops.md §4.1). The call is then made again with another PAT that is older: no PAT
//! is presented twice. Nothing else is retried.

use std::time::Duration;

use super::error::Error;
use super::source::{Purpose, Source};
use crate::ado::{self, Credential, Scope};

/// The least ages of the PATs of further tries.
const MIN_AGES: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_millis(1_000), Duration::from_millis(3_000)];

/// Why a call failed.
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
/// The call's own error, or that no credential can be issued.
pub async fn call<T, F>(
    source: &dyn Source,
    scope: Scope,
    purpose: Purpose,
    make: impl Fn(Credential) -> F,
) -> Result<T, CallError>
where
    F: Future<Output = Result<T, ado::Error>>,
{
    let mut min_ages = MIN_AGES.into_iter();
    let mut purpose = purpose;
    loop {
        let credential = source.credential(scope, purpose).await?;
        match make(credential).await {
            Err(ado::Error::Unauthorized { reason }) => {
                match min_ages.next().filter(|_| source.is_freshly_minted()) {
                    Some(min_age) => purpose.min_age = min_age,
                    None => {
                        let reason = reason.trim_end_matches('.');
                        let reason = format!("{reason}. {}", source.refusal_advice());
                        return Err(ado::Error::Unauthorized { reason }.into());
                    }
                }
            }
            other => return Ok(other?),
        }
    }
}
