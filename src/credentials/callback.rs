//! The return of a browser from Entra, for both redirect addresses: what it brings back becomes a
//! verified account with its tokens. Whose sign-in it is, and that this browser began it, is proved
//! before.

use url::Url;

use super::entra::{self, Account, Entra, Tokens};
use crate::secret::Secret;

/// A sign-in at Entra that a browser is sent to.
#[derive(Debug)]
pub struct StartedSignIn {
    /// Where the browser signs in.
    pub authorize_url: Url,
    /// The value of the cookie that the browser has to bring back.
    pub browser: Secret,
}

/// What a browser brings back from Entra: the query of the redirect, and the cookie.
#[derive(Clone, Debug, Default)]
pub struct SignInCallback {
    pub state: Option<Secret>,
    pub code: Option<Secret>,
    pub error: Option<String>,
    pub error_description: Option<String>,
    /// The value of the cookie.
    pub browser: Option<Secret>,
}

/// Why nobody was signed in. The texts are for people.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// A check of the sign-in failed.
    #[error("{0}")]
    Refused(String),
    /// A transient error: signing in may work later.
    #[error("{0}")]
    Unavailable(String),
}

impl From<entra::Error> for SignInError {
    fn from(error: entra::Error) -> Self {
        match error.is_transient() {
            true => SignInError::Unavailable(error.to_string()),
            false => SignInError::Refused(error.to_string()),
        }
    }
}

/// The values that only the sign-in knows that the browser began.
pub(super) struct Begun<'a> {
    pub(super) nonce: &'a str,
    pub(super) verifier: &'a Secret,
    pub(super) redirect_uri: &'a Url,
}

/// Who signed in, after every check of the ID token, and the tokens that Entra gave.
///
/// # Errors
/// See [`SignInError`].
pub(super) async fn redeem(
    entra: &Entra,
    callback: &SignInCallback,
    begun: Begun<'_>,
) -> Result<(Account, Tokens), SignInError> {
    if let Some(error) = &callback.error {
        let description = callback.error_description.as_deref().unwrap_or_default();
        return Err(SignInError::Refused(entra.explain(error, description).to_string()));
    }
    let refused = |reason: &str| SignInError::Refused(reason.to_owned());
    let code = callback.code.as_ref();
    let code = code.ok_or_else(|| refused("the answer of Entra has no code"))?;
    let tokens = entra.redeem_code(code.expose(), begun.verifier, begun.redirect_uri).await?;
    let id_token = tokens.id_token.as_ref();
    let id_token = id_token.ok_or_else(|| refused("the answer of Entra has no ID token"))?;
    let account = entra.verify_id_token(id_token, begun.nonce).await?;
    Ok((account, tokens))
}

/// `base` with further path segments.
pub(super) fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // Only URLs like `data:` have no path segments; the configuration takes http and https only.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
