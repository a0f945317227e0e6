//! The options of a CI system, wherever they were read from.

use url::Url;

use super::webhook::SigningSecret;

/// One `[ci.NAME]`.
#[derive(Clone, Debug)]
pub enum Options {
    /// A signed HTTP request starts the run.
    Webhook {
        url: Url,
        /// The current secret, and during a rotation the previous one: each signs every trigger.
        secrets: Vec<SigningSecret>,
    },
}
