//! The client of Entra for one app registration: redeems codes, renews tokens, verifies ID tokens.

use url::Url;

use super::advice::Context;
use super::app::App;
use super::client_authentication::ClientAuthentication;
use super::error::Error;
use super::error_response;
use super::id_token::{self, Account};
use super::login::{Login, Who};
use super::scopes::{APP_SCOPE, PAT_SCOPES, PEOPLE_SCOPES};
use super::signing_keys::SigningKeys;
use super::token_endpoint::{TokenEndpoint, Tokens};
use crate::clock::Clock;
use crate::secret::Secret;

/// See the module. Clones share the signing keys that were fetched.
#[derive(Clone, Debug)]
pub struct Entra {
    http: reqwest::Client,
    app: App,
    authentication: ClientAuthentication,
    clock: Clock,
    signing_keys: SigningKeys,
    organization: Option<String>,
    /// What a person who signs in grants.
    scopes: &'static str,
}

impl Entra {
    /// `http` must follow no redirect (`ado::http_client`).
    pub fn new(
        http: reqwest::Client,
        app: App,
        authentication: ClientAuthentication,
        clock: Clock,
    ) -> Self {
        let signing_keys = SigningKeys::default();
        let (organization, scopes) = (None, PAT_SCOPES);
        Self { http, app, authentication, clock, signing_keys, organization, scopes }
    }

    /// Lets advice name the page on which this organization is linked.
    pub fn for_organization(mut self, organization: &str) -> Self {
        self.organization = Some(organization.to_owned());
        self
    }

    /// Asks people who sign in for what the pages need, and not for the right to mint tokens.
    pub fn for_people(mut self) -> Self {
        self.scopes = PEOPLE_SCOPES;
        self
    }

    /// Where the browser is sent to sign in as `who`.
    pub fn authorize_url(&self, login: &Login, redirect_uri: &Url, who: Who<'_>) -> Url {
        login.url(&self.app, redirect_uri, self.scopes, who)
    }

    /// The error that the browser brought back instead of a code (RFC 6749 §4.1.2.1). Both texts
    /// come from the address bar, so anybody may have written them: escape what is shown.
    pub fn explain(&self, error: &str, description: &str) -> Error {
        error_response::error(error, description, &[], &self.context(), &[])
    }

    /// Exchanges the code of a sign-in for tokens. A code can be used once, and for minutes.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn redeem_code(
        &self,
        code: &str,
        verifier: &Secret,
        redirect_uri: &Url,
    ) -> Result<Tokens, Error> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("scope", self.scopes),
            ("redirect_uri", redirect_uri.as_str()),
        ];
        let code = Secret::new(code.to_owned());
        let secrets = [("code", code), ("code_verifier", verifier.clone())];
        self.token_endpoint().request(&fields, &secrets).await
    }

    /// A new access token, and mostly a new refresh token that replaces this one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<Tokens, Error> {
        let fields = [("grant_type", "refresh_token"), ("scope", self.scopes)];
        let secrets = [("refresh_token", refresh_token.clone())];
        self.token_endpoint().request(&fields, &secrets).await
    }

    /// An access token of the app itself. Azure DevOps mints no PATs for it
    /// (docs/azure-devops.md §4.1).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn client_credentials(&self) -> Result<Tokens, Error> {
        let fields = [("grant_type", "client_credentials"), ("scope", APP_SCOPE)];
        self.token_endpoint().request(&fields, &[]).await
    }

    /// The account that signed in, after every check of its ID token. `nonce` is that of the
    /// sign-in.
    ///
    /// # Errors
    /// [`Error::InvalidIdToken`] if a check fails; otherwise the signing keys cannot be fetched.
    pub async fn verify_id_token(&self, id_token: &Secret, nonce: &str) -> Result<Account, Error> {
        let key_id = id_token::key_id(id_token)?;
        let authority = &self.app.authority;
        let key = self.signing_keys.find(&key_id, &self.http, authority, &self.clock).await?;
        id_token::verify(id_token, &key, &self.app, nonce, self.clock.now())
    }

    fn token_endpoint(&self) -> TokenEndpoint<'_> {
        TokenEndpoint {
            http: &self.http,
            app: &self.app,
            authentication: &self.authentication,
            clock: &self.clock,
            context: self.context(),
        }
    }

    fn context(&self) -> Context<'_> {
        Context { app: &self.app, organization: self.organization.as_deref() }
    }
}
