//! Signs people in to the pages with Entra (docs/azure-devops.md §4.4).
//!
//! Nothing of a sign-in under way is stored: the cookie holds its values, encrypted with the root
//! key, so that any replica completes it and strangers cause no writes. The cookie binds it to the
//! browser that began it. Entra lets a code be redeemed once.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use url::Url;

use super::callback::{self, Begun, SignInCallback, SignInError, StartedSignIn, below};
use super::entra::{self, ClientAuthentication, Entra, Login, Tokens, Who};
use super::options::SignInOptions;
use crate::clock::Clock;
use crate::deps::Deps;
use crate::domain::access::{Access, Claims, Role};
use crate::domain::time::Timestamp;
use crate::secret::{Keyring, Sealed, Secret};

/// How long a person may take to sign in.
const SIGN_IN_MAX: Duration = Duration::from_secs(600);
/// What sign-ins under way are encrypted for: nothing else that is encrypted can be used as one.
const CONTEXT: &str = "sign_in";
/// The redirect URI, below the public URL. Linking has another one, with a cookie and states of its
/// own.
const REDIRECT_PATH: [&str; 2] = ["complete", "azure_active_directory"];

/// See the module.
#[derive(Debug)]
pub struct SignIn {
    entra: Entra,
    access: Access,
    session: Duration,
    redirect_uri: Url,
    keys: Keyring,
    clock: Clock,
}

/// Somebody who has signed in.
#[derive(Debug)]
pub struct SignedIn {
    pub claims: Claims,
    /// Where the browser wants to go.
    pub to: String,
    /// With which Azure DevOps is asked what the person may see.
    pub refresh_token: Option<Secret>,
}

/// What the cookie of a sign-in under way holds.
#[derive(Deserialize, Serialize)]
struct UnderWay {
    state: String,
    nonce: String,
    verifier: String,
    to: String,
    until: Timestamp,
}

impl SignIn {
    /// Signs in the people of the tenant that `options` name.
    pub fn new(options: SignInOptions, deps: &Deps) -> Self {
        let SignInOptions { app, client_secrets, access, session } = options;
        let authentication = ClientAuthentication::Secrets(client_secrets);
        let (http, clock) = (deps.http.clone(), deps.clock.clone());
        let entra = Entra::new(http, app.into(), authentication, clock.clone()).for_people();
        let redirect_uri = below(&deps.public_url, &REDIRECT_PATH);
        Self { entra, access, session, redirect_uri, keys: deps.keys.clone(), clock }
    }

    /// The role of a person, from the configuration as it is now; none where it depends on groups
    /// that Entra does not list.
    pub fn role_of(&self, claims: &Claims) -> Option<Role> {
        self.access.role_of(claims)
    }

    /// How long a session lasts.
    pub fn session(&self) -> Duration {
        self.session
    }

    /// Starts a sign-in that leads to the page `to`. With `asks` Entra asks for the account.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn start(&self, to: String, asks: bool) -> Result<StartedSignIn, getrandom::Error> {
        let login = Login::begin()?;
        let who = if asks { Who::Asked(None) } else { Who::Current };
        let authorize_url = self.entra.authorize_url(&login, &self.redirect_uri, who);
        let under_way = UnderWay {
            state: login.state.expose().to_owned(),
            nonce: login.nonce.expose().to_owned(),
            verifier: login.verifier.expose().to_owned(),
            to,
            until: self.clock.now().plus(SIGN_IN_MAX),
        };
        let text = Secret::new(serde_json::to_string(&under_way).unwrap_or_default());
        let sealed = self.keys.seal(CONTEXT, &text)?;
        let browser = Secret::new(URL_SAFE_NO_PAD.encode(sealed.0));
        Ok(StartedSignIn { authorize_url, browser })
    }

    /// The page that a sign-in of this browser leads to; none where it began none.
    pub fn leads_to(&self, callback: &SignInCallback) -> Option<String> {
        self.under_way(callback).map(|under_way| under_way.to)
    }

    /// Completes a sign-in that this browser began.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn complete(&self, callback: SignInCallback) -> Result<SignedIn, SignInError> {
        let UnderWay { nonce, verifier, to, .. } = self.under_way(&callback).ok_or_else(|| {
            SignInError::Refused(
                "this sign-in was started in another browser or tab, has been completed already, \
                 or took longer than ten minutes: sign in again"
                    .to_owned(),
            )
        })?;
        let (verifier, redirect_uri) = (Secret::new(verifier), &self.redirect_uri);
        let begun = Begun { nonce: &nonce, verifier: &verifier, redirect_uri };
        let (account, tokens) = callback::redeem(&self.entra, &callback, begun).await?;
        let claims = Claims {
            object_id: account.object_id,
            user_name: account.user_name,
            groups: account.groups,
            app_roles: account.app_roles,
        };
        if self.role_of(&claims).is_none() {
            return Err(SignInError::Refused(format!(
                "Entra does not say in which groups {} is, since there are too many, and the role \
                 here depends on groups: an operator can give roles by app roles \
                 (`role:NAME` in `[sign_in]`), or let Entra name only the groups that are assigned \
                 to the application",
                claims.user_name
            )));
        }
        let claims = self.access.for_session(claims);
        Ok(SignedIn { claims, to, refresh_token: tokens.refresh_token })
    }

    /// An access token for Azure DevOps of the person whose refresh token this is.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn access_token(&self, refresh_token: &Secret) -> Result<Tokens, SignInError> {
        let tokens: Result<Tokens, entra::Error> = self.entra.refresh(refresh_token).await;
        Ok(tokens?)
    }

    /// The sign-in under way that the cookie holds, if the browser brings its state back in time.
    fn under_way(&self, callback: &SignInCallback) -> Option<UnderWay> {
        let sealed = callback.browser.as_ref()?.expose();
        let sealed = Sealed(URL_SAFE_NO_PAD.decode(sealed).ok()?);
        let opened = self.keys.open(CONTEXT, &sealed).ok()?;
        let under_way: UnderWay = serde_json::from_str(opened.secret.expose()).ok()?;
        let is_it = callback.state.as_ref()?.is(&under_way.state);
        (bool::from(is_it) && self.clock.now() < under_way.until).then_some(under_way)
    }
}
