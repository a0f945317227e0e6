//! NEIGHBOUR: Microsoft Entra, which says who the gateway is and who signed in.
//!
//! OAuth 2.0 and OpenID Connect as far as Azure DevOps needs them (docs/azure-devops.md §4.4),
//! written on our own HTTP client: libraries for it bring a second one, or an RSA with an unfixed
//! weakness. It must never know what the tokens are used for, where they are kept, or when they are
//! renewed.

/// What each refusal means, and what to do about it.
pub mod advice;
mod answer;
mod certificate;
mod error;
mod id_token;
mod keys;
mod login;
mod managed_identity;
mod proof;
mod said;
mod token;

use url::Url;

use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

pub use advice::{Advice, Context, Remedy};
pub use certificate::{Certificate, CertificateError};
pub use error::{Error, Refusal};
pub use id_token::Account;
pub use login::{Login, random_text};
pub use managed_identity::managed_identity;
pub use proof::Proof;

/// Azure DevOps as a resource of Entra, in every tenant (docs/azure-devops.md §4.4).
pub const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";
/// What a user grants: to mint and revoke PATs, and to be asked only once (docs/azure-devops.md
/// §4.1).
pub const PAT_SCOPES: &str = "499b84ac-1321-427f-aa17-267ca6975798/vso.pats \
     499b84ac-1321-427f-aa17-267ca6975798/vso.pats_manage offline_access openid profile email";
/// What an application has by itself: whatever it was given in Azure DevOps.
const DEFAULT_SCOPE: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";

/// A tenant at an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// `https://login.microsoftonline.com`, or that of a national cloud.
    pub url: Url,
    /// The GUID: a domain name or `common` would not be found again in the tokens.
    pub tenant_id: String,
}

impl Authority {
    /// An address below the tenant.
    fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.url.clone();
        // Only `data:` and the like have no segments; the configuration takes http and https.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(&self.tenant_id).extend(segments);
        }
        url
    }
}

/// An app registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    pub authority: Authority,
    pub client_id: String,
}

/// What a token endpoint granted.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Opaque: only Azure DevOps reads it.
    pub access_token: Secret,
    /// Replaces the one that was sent, which stays valid (docs/azure-devops.md §4.4).
    pub refresh_token: Option<Secret>,
    /// Not yet verified.
    pub id_token: Option<Secret>,
    pub expires_at: Timestamp,
}

/// Entra for one app registration. Clones share the keys that were fetched.
#[derive(Clone, Debug)]
pub struct Entra {
    http: reqwest::Client,
    app: App,
    proof: Proof,
    clock: Clock,
    keys: keys::Keys,
    organization: Option<String>,
}

impl Entra {
    /// `http` must follow no redirect (`ado::http_client`).
    pub fn new(http: reqwest::Client, app: App, proof: Proof, clock: Clock) -> Self {
        Self { http, app, proof, clock, keys: keys::Keys::default(), organization: None }
    }

    /// Lets advice name the page on which this organization is linked.
    pub fn for_organization(mut self, organization: &str) -> Self {
        self.organization = Some(organization.to_owned());
        self
    }

    /// Where the browser is sent to sign in; `login_hint` fills in the name of the account.
    pub fn authorize_url(
        &self,
        login: &Login,
        redirect_uri: &Url,
        login_hint: Option<&str>,
    ) -> Url {
        login.url(&self.app, redirect_uri, login_hint)
    }

    /// What the browser brought back instead of a code (RFC 6749 §4.1.2.1). Both texts come from
    /// the address bar, so anybody may have written them: escape what is shown.
    pub fn explain(&self, error: &str, description: &str) -> Error {
        said::error(error, description, &[], &self.context(), &[])
    }

    /// The code of a sign-in for tokens. A code is good once, and for minutes.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn redeem_code(
        &self,
        code: &str,
        verifier: &Secret,
        redirect_uri: &Url,
    ) -> Result<Tokens, Error> {
        let public = [
            ("grant_type", "authorization_code"),
            ("scope", PAT_SCOPES),
            ("redirect_uri", redirect_uri.as_str()),
        ];
        let code = Secret::new(code.to_owned());
        token::ask(self, &public, &[("code", code), ("code_verifier", verifier.clone())]).await
    }

    /// A new access token, and a new refresh token to keep in place of this one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<Tokens, Error> {
        let public = [("grant_type", "refresh_token"), ("scope", PAT_SCOPES)];
        token::ask(self, &public, &[("refresh_token", refresh_token.clone())]).await
    }

    /// A token of the application itself. PATs are not minted for it (docs/azure-devops.md §4.1).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn client_credentials(&self) -> Result<Tokens, Error> {
        let public = [("grant_type", "client_credentials"), ("scope", DEFAULT_SCOPE)];
        token::ask(self, &public, &[]).await
    }

    /// Who signed in, if everything about the token holds; `nonce` is that of the sign-in.
    ///
    /// # Errors
    /// [`Error::Forged`] if it does not; otherwise the keys cannot be had.
    pub async fn verify_id_token(&self, id_token: &Secret, nonce: &str) -> Result<Account, Error> {
        let id = id_token::key_id(id_token)?;
        let trusted = self.keys.find(&id, &self.http, &self.app.authority, &self.clock).await?;
        id_token::verify(id_token, &trusted, &self.app, nonce, self.clock.now())
    }

    fn context(&self) -> Context<'_> {
        Context { app: &self.app, organization: self.organization.as_deref() }
    }
}

#[cfg(test)]
mod tests;
