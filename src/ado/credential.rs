//! The right to make one call. It is consumed by the call, so that no second one can be made with
//! it by mistake. It must never know where it came from.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::secret::Secret;

/// The least that a call needs. Source: Microsoft Learn, "Available scopes".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Read code, pull requests and their iterations.
    Code,
    /// Read and post statuses, and nothing else.
    CodeStatus,
}

impl Scope {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Code => "vso.code",
            Scope::CodeStatus => "vso.code_status",
        }
    }
}

/// Proves who we are, once: a call takes it by value, so using one twice does not compile.
///
/// ```compile_fail,E0382
/// use azdo_gateway::{ado::Credential, secret::Secret};
///
/// fn call(_: Credential) {}
///
/// let credential = Credential::from_pat(&Secret::new("a token".into()));
/// call(credential);
/// call(credential); // used after move
/// ```
pub struct Credential {
    authorization: Secret,
}

impl Credential {
    /// From a personal access token, which Azure DevOps takes as a Basic password.
    pub fn from_pat(token: &Secret) -> Self {
        let pair = Secret::new(format!(":{}", token.expose()));
        let encoded = Secret::new(STANDARD.encode(pair.expose()));
        Self { authorization: Secret::new(format!("Basic {}", encoded.expose())) }
    }

    /// The value of the `Authorization` header.
    pub(super) fn into_authorization(self) -> Secret {
        self.authorization
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[credential]")
    }
}
