//! Why Azure DevOps refused a call, in words that an operator can act on.

use crate::ado::Error;
use crate::credentials::CallError;

/// The code in the answer to an account that is no member of the organization.
const NOT_A_MEMBER: &str = "TF400813";

/// What failed in doing `what`, and what to do about it.
pub(super) fn explain(what: &str, error: &CallError) -> String {
    let reason = match error {
        CallError::Ado(Error::Unauthorized { reason } | Error::Forbidden { reason })
            if reason.contains(NOT_A_MEMBER) =>
        {
            "the identity is not a member of the organization or has no licence: add it in \
             Organization settings > Users with a Basic licence; or the token lacks the scope \
             (TF400813)"
                .to_owned()
        }
        CallError::Ado(Error::Forbidden { reason }) => {
            format!("the identity lacks a permission ({reason}): grant it")
        }
        // The reasons of a source of credentials say what to do.
        other => other.to_string(),
    };
    format!("{what}: {reason}")
}

/// Whether Azure DevOps refused the call, rather than failed to answer.
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
            let reason = explain("signing in", &error);
            assert!(reason.starts_with("signing in: ") && reason.contains(words), "{reason}");
        }
        assert!(is_refusal(&forbidden("no")));
        let reason = "no answer in time".into();
        let silent = Error::Unavailable { reason, doubtful: true, retry_after: None };
        assert!(!is_refusal(&silent.into()));
    }
}
