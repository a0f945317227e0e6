//! Why Azure DevOps did not let us, in words that an operator can act on. It must never show more
//! of an answer than its own reason.

use crate::ado::Error;
use crate::credentials::CallError;

/// What Azure DevOps says to whoever is not a member, whatever the token.
const NOT_A_MEMBER: &str = "TF400813";

/// What went wrong while doing `what`, and what to do about it.
pub(super) fn explain(what: &str, error: &CallError) -> String {
    let told = match error {
        CallError::Ado(Error::Unauthorized { reason } | Error::Forbidden { reason })
            if reason.contains(NOT_A_MEMBER) =>
        {
            "the identity is not a member of the organization or has no licence: add it in \
             Organization settings > Users with a Basic licence; or the token lacks the scope \
             (TF400813)"
                .to_owned()
        }
        CallError::Ado(Error::Forbidden { reason }) => {
            format!("the identity may not ({reason}): grant it what is missing")
        }
        // Whoever lends credentials says what to do when none is lent, or one is refused.
        other => other.to_string(),
    };
    format!("{what}: {told}")
}

/// Whether Azure DevOps said no, rather than nothing.
pub(super) fn is_refusal(error: &CallError) -> bool {
    matches!(error, CallError::Ado(Error::Unauthorized { .. } | Error::Forbidden { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials;

    #[test]
    fn every_refusal_says_what_to_do() {
        let unauthorized = |reason: &str| Error::Unauthorized { reason: reason.into() }.into();
        let forbidden = |reason: &str| Error::Forbidden { reason: reason.into() }.into();
        let table: [(CallError, &str); 4] = [
            (unauthorized("TF400813: The user is not authorized"), "Users with a Basic licence"),
            (unauthorized("it answers 203. Sign in."), "Sign in."),
            (forbidden("TF401027: You need"), "TF401027"),
            (credentials::Error::new("nobody is linked: run `azdo-gateway link x`").into(), "link"),
        ];
        for (error, words) in table {
            let told = explain("signing in", &error);
            assert!(told.starts_with("signing in: ") && told.contains(words), "{told}");
        }
        assert!(is_refusal(&forbidden("no")));
        let reason = "no answer in time".into();
        let silent = Error::Unavailable { reason, doubtful: true, retry_after: None };
        assert!(!is_refusal(&silent.into()));
    }
}
