//! What the operator sets about a CI system. It must never know the file that it came from.

use url::Url;

use super::webhook::SigningSecret;

/// One `[ci.NAME]`.
#[derive(Clone, Debug)]
pub enum Options {
    /// A signed HTTP request starts the run.
    Webhook {
        url: Url,
        /// The current one, and while rotating the one before: each signs every trigger.
        secrets: Vec<SigningSecret>,
    },
}
