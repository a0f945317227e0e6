//! A credential for one call. The call takes it by value, so that using it twice does not compile.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Error;
use crate::secret::Secret;

/// The OAuth scope of a token: the least that a call needs. Source: Microsoft Learn, "Available
/// scopes".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Read code, pull requests and their iterations.
    Code,
    /// Read and post statuses, and nothing else.
    CodeStatus,
    /// Write code and branch policies: Azure DevOps has no narrower scope for policies.
    CodeWrite,
    /// Read builds and pipelines.
    Build,
    /// Queue and cancel builds.
    BuildExecute,
    /// Find identities and groups.
    Identity,
    /// Read and write the comments of pull requests, and nothing else.
    Threads,
}

impl Scope {
    /// Every scope that the gateway asks for.
    pub const ALL: [Scope; 7] = [
        Scope::Code,
        Scope::CodeStatus,
        Scope::CodeWrite,
        Scope::Build,
        Scope::BuildExecute,
        Scope::Identity,
        Scope::Threads,
    ];
}

impl Scope {
    /// The name that Azure DevOps uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Code => "vso.code",
            Scope::CodeStatus => "vso.code_status",
            Scope::CodeWrite => "vso.code_write",
            Scope::Build => "vso.build",
            Scope::BuildExecute => "vso.build_execute",
            Scope::Identity => "vso.identity",
            Scope::Threads => "vso.threads_full",
        }
    }
}

/// The credential of one call: using it twice does not compile.
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

/// Learns how the call that used a credential ended. A receipt that is dropped without
/// [`Receipt::used`] means that the credential was not used, or that the call was abandoned.
pub trait Receipt: Send + Sync {
    /// The call has ended.
    fn used(self: Box<Self>, usage: Usage);
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Method and last word of the path.
    pub operation: String,
    /// None when the call succeeded.
    pub error: Option<Error>,
    /// The id of the request at Azure DevOps, for its support.
    pub activity_id: Option<String>,
}

impl Credential {
    /// From a personal access token, which is sent as a Basic password.
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

    /// The same credential, whose use is reported to `receipt`.
    #[must_use]
    pub fn with_receipt(self, receipt: Box<dyn Receipt>) -> Self {
        Self { receipt: Some(receipt), ..self }
    }

    /// The value of the `Authorization` header, and the receipt.
    pub(super) fn spend(self) -> (Secret, Option<Box<dyn Receipt>>) {
        (self.authorization, self.receipt)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[credential]")
    }
}
