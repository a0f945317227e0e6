//! The start of an interactive sign-in: random values that bind its parts together, and the URL
//! that the browser is sent to.
//!
//! Authorization code with PKCE: RFC 6749 §4.1, RFC 7636, OpenID Connect Core §3.1.2.1.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use super::app::App;
use crate::secret::Secret;

/// The values of one sign-in. Each is 32 random bytes in base64url.
#[derive(Clone, Debug)]
pub struct Login {
    /// Returned in the redirect: identifies the sign-in (RFC 6749 §10.12).
    pub state: Secret,
    /// Returned in the ID token: shows that it was issued for this sign-in.
    pub nonce: Secret,
    /// Sent when the code is redeemed, and not before: a stolen code cannot be redeemed without it.
    pub verifier: Secret,
    /// The value of a cookie: shows that the browser that returns is the one that was sent.
    pub browser: Secret,
}

/// Which account is to sign in.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// The one that is signed in at Entra already, where there is just one.
    Current,
    /// Entra asks which one, also where there is just one. A name is filled in.
    Asked(Option<&'a str>),
}

impl Login {
    /// New values.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn begin() -> Result<Self, getrandom::Error> {
        Ok(Self {
            state: random_text()?,
            nonce: random_text()?,
            verifier: random_text()?,
            browser: random_text()?,
        })
    }

    /// The hash of the verifier (RFC 7636 §4.2, `S256`).
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.expose().as_bytes()))
    }

    /// Where the browser signs in as `who`, and grants these scopes.
    pub(super) fn url(&self, app: &App, redirect_uri: &Url, scopes: &str, who: Who<'_>) -> Url {
        let mut url = app.authority.at(&["oauth2", "v2.0", "authorize"]);
        let challenge = self.challenge();
        url.query_pairs_mut().extend_pairs([
            ("client_id", app.client_id.as_str()),
            ("response_type", "code"),
            ("response_mode", "query"),
            ("redirect_uri", redirect_uri.as_str()),
            ("scope", scopes),
            ("state", self.state.expose()),
            ("nonce", self.nonce.expose()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        if let Who::Asked(hint) = who {
            url.query_pairs_mut().append_pair("prompt", "select_account");
            let hint = hint.map(|hint| ("login_hint", hint));
            url.query_pairs_mut().extend_pairs(hint);
        }
        url
    }
}

/// 32 random bytes in base64url.
///
/// # Errors
/// The operating system gives no randomness.
pub fn random_text() -> Result<Secret, getrandom::Error> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut())?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}
