//! The query with which Entra sends a browser back, at both redirect addresses.

use actix_web::HttpRequest;
use serde::Deserialize;

use super::cookie;
use crate::credentials::SignInCallback;
use crate::secret::Secret;

/// See the module.
#[derive(Deserialize)]
pub(super) struct EntraAnswer {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl EntraAnswer {
    /// The answer with the cookie of that name, which the browser got when it was sent to Entra.
    pub(super) fn of(self, request: &HttpRequest, cookie: &str) -> SignInCallback {
        let Self { state, code, error, error_description } = self;
        SignInCallback {
            state: state.map(Secret::new),
            code: code.map(Secret::new),
            error,
            error_description,
            browser: cookie::read(request.headers(), cookie),
        }
    }
}
