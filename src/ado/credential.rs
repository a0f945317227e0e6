//! The right to make one call. It is consumed by the call, so that no second one can be made with
//! it by mistake. It must never know where it came from.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Error;
use crate::secret::Secret;

/// The least that a call needs. Source: Microsoft Learn, "Available scopes".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Read code, pull requests and their iterations.
    Code,
    /// Read and post statuses, and nothing else.
    CodeStatus,
    /// Write code, and the policies of its branches: there is no narrower one for those.
    CodeWrite,
}

impl Scope {
    /// Every scope that the gateway asks for.
    pub const ALL: [Scope; 3] = [Scope::Code, Scope::CodeStatus, Scope::CodeWrite];
}

impl Scope {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Code => "vso.code",
            Scope::CodeStatus => "vso.code_status",
            Scope::CodeWrite => "vso.code_write",
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
    receipt: Option<Box<dyn Receipt>>,
}

/// Whoever lent a credential and wants to know what became of it. One that is dropped untold was
/// not spent, or the call was given up half-way.
pub trait Receipt: Send + Sync {
    /// The call has ended.
    fn used(self: Box<Self>, usage: Usage);
}

/// What became of a call.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Method and last word of the path.
    pub operation: String,
    /// Nothing, where it worked.
    pub error: Option<Error>,
    /// What Azure DevOps calls the request, for its support.
    pub activity_id: Option<String>,
}

impl Credential {
    /// From a personal access token, which Azure DevOps takes as a Basic password.
    pub fn from_pat(token: &Secret) -> Self {
        let pair = Secret::new(format!(":{}", token.expose()));
        let encoded = Secret::new(STANDARD.encode(pair.expose()));
        let authorization = Secret::new(format!("Basic {}", encoded.expose()));
        Self { authorization, receipt: None }
    }

    /// From an access token of Entra.
    pub fn from_bearer(token: &Secret) -> Self {
        let authorization = Secret::new(format!("Bearer {}", token.expose()));
        Self { authorization, receipt: None }
    }

    /// The same, with somebody who is told what became of it.
    #[must_use]
    pub fn with_receipt(self, receipt: Box<dyn Receipt>) -> Self {
        Self { receipt: Some(receipt), ..self }
    }

    /// The value of the `Authorization` header, and who is to be told.
    pub(super) fn spend(self) -> (Secret, Option<Box<dyn Receipt>>) {
        (self.authorization, self.receipt)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[credential]")
    }
}
