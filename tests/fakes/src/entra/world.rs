//! The state of Entra as a whole, and how a test sets it up.
//!
//! The world has no clock and does no input or output: each request brings the time.

use std::collections::{BTreeMap, HashMap};

use super::forgery::Forgery;
use super::model::{App, Code, Consent, ManagedIdentity, RefreshToken, Secret, TokenCall, User};
use super::refusal::OAuthError;
use crate::access_token::AccessToken;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::random::Random;

/// Settings of the world, which a test may change at any time.
#[derive(Debug, Clone)]
pub struct Options {
    /// The shortest and the longest lifetime of an access token, in seconds
    /// (docs/azure-devops.md §4.4).
    pub access_token_s: (u64, u64),
    /// How long an unused refresh token is valid.
    pub refresh_idle_ms: i64,
    /// How long a code is valid.
    pub code_ms: i64,
    /// The API that tokens are for; ADO, unless a test says otherwise.
    pub resource: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access_token_s: (3_600, 5_400),
            refresh_idle_ms: 90 * 24 * 3_600_000,
            code_ms: 600_000,
            resource: "499b84ac-1321-427f-aa17-267ca6975798".to_owned(),
        }
    }
}

/// One tenant of Microsoft Entra.
#[derive(Debug, Clone)]
pub struct World {
    /// Settings.
    pub options: Options,
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    pub(super) tenant: String,
    pub(super) base_url: String,
    pub(super) now_ms: i64,
    pub(super) random: Random,
    pub(super) apps: BTreeMap<String, App>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) managed: Vec<ManagedIdentity>,
    /// Principal names with a session in the browser, the last one in use.
    pub(super) sessions: Vec<String>,
    pub(super) codes: HashMap<String, Code>,
    pub(super) refresh_tokens: BTreeMap<String, RefreshToken>,
    pub(super) issued: Vec<AccessToken>,
    pub(super) calls: Vec<TokenCall>,
    /// Secrets that were issued or received, each with the name of its kind.
    pub(super) issued_secrets: Vec<(&'static str, String)>,
    /// A refusal of the token endpoint that a test ordered, and for how many calls; none means
    /// until the test ends it.
    pub(super) scripted_refusal: Option<(OAuthError, Option<u32>)>,
    pub(super) forgery: Option<Forgery>,
    pub(super) signing_key: usize,
}

impl World {
    /// An empty tenant whose ids follow from the seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed ^ 0x0E27_12A0);
        Self {
            options: Options::default(),
            faults: Faults::seeded(seed),
            journal: Journal::default(),
            tenant: random.guid(),
            base_url: "http://entra.invalid".to_owned(),
            now_ms: 1_790_000_000_000,
            random,
            apps: BTreeMap::new(),
            users: BTreeMap::new(),
            managed: Vec::new(),
            sessions: Vec::new(),
            codes: HashMap::new(),
            refresh_tokens: BTreeMap::new(),
            issued: Vec::new(),
            calls: Vec::new(),
            issued_secrets: Vec::new(),
            scripted_refusal: None,
            forgery: None,
            signing_key: 0,
        }
    }

    /// GUID of the tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Sets the time at which people act from now on; it never goes back.
    pub fn set_now(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// Sets the base URL for callers without a Host header. The shell does so when it has a port.
    pub fn set_base_url(&mut self, base_url: &str) {
        base_url.trim_end_matches('/').clone_into(&mut self.base_url);
    }

    /// Registers an application and returns its client id.
    pub fn add_app(&mut self) -> String {
        let (client_id, object_id) = (self.random.guid(), self.random.guid());
        let app = App {
            object_id,
            redirect_uris: Vec::new(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            federated_tokens: Vec::new(),
        };
        self.apps.insert(client_id.clone(), app);
        client_id
    }

    /// Registers a web redirect URI; it is compared exactly.
    pub fn add_redirect_uri(&mut self, client_id: &str, uri: &str) {
        self.app_mut(client_id).redirect_uris.push(uri.to_owned());
    }

    /// Adds a secret to an application.
    pub fn add_secret(&mut self, client_id: &str, secret: &str) {
        let secret = Secret { text: secret.to_owned(), is_expired: false };
        self.app_mut(client_id).secrets.push(secret);
    }

    /// Lets a secret expire: using it is refused with AADSTS7000222.
    pub fn expire_secret(&mut self, client_id: &str, secret: &str) {
        let secrets = &mut self.app_mut(client_id).secrets;
        for one in secrets.iter_mut().filter(|one| one.text == secret) {
            one.is_expired = true;
        }
    }

    /// Registers a certificate, as DER; false when it has no RSA key.
    #[must_use = "the certificate may not have been understood"]
    pub fn add_certificate(&mut self, client_id: &str, certificate: &[u8]) -> bool {
        let read = super::assertion::certificate(certificate);
        let understood = read.is_some();
        self.app_mut(client_id).certificates.extend(read);
        understood
    }

    /// Registers a federated credential: exactly this token is accepted as an assertion.
    pub fn add_federated_token(&mut self, client_id: &str, token: &str) {
        self.app_mut(client_id).federated_tokens.push(token.to_owned());
    }

    /// GUID of an application's service principal.
    pub fn object_id_of(&self, client_id: &str) -> &str {
        let app = self.apps.get(client_id);
        assert!(app.is_some(), "there is no application {client_id}");
        app.map_or("", |app| &app.object_id)
    }

    /// Assigns a managed identity to the machine; returns its client id and its object id.
    pub fn add_managed_identity(&mut self) -> (String, String) {
        let (client_id, object_id) = (self.random.guid(), self.random.guid());
        let identity =
            ManagedIdentity { client_id: client_id.clone(), object_id: object_id.clone() };
        self.managed.push(identity);
        (client_id, object_id)
    }

    /// Adds a person, whose mail address is the principal name, and returns the object id.
    pub fn add_user(&mut self, display_name: &str, principal_name: &str) -> String {
        let object_id = self.random.guid();
        let user = User {
            object_id: object_id.clone(),
            display_name: display_name.to_owned(),
            principal_name: principal_name.to_owned(),
            email: principal_name.to_owned(),
            groups: Vec::new(),
            app_roles: Vec::new(),
            consent: Consent::Given,
            account_error: None,
        };
        self.users.insert(principal_name.to_lowercase(), user);
        object_id
    }

    /// Changes a person's mail address, which the person or an administrator may do.
    pub fn set_email(&mut self, principal_name: &str, email: &str) {
        email.clone_into(&mut self.user_mut(principal_name).email);
    }

    /// Sets the groups that a person is in, by object id, and the app roles.
    pub fn set_roles(&mut self, principal_name: &str, groups: &[&str], app_roles: &[&str]) {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let user = self.user_mut(principal_name);
        (user.groups, user.app_roles) = (all(groups), all(app_roles));
    }

    /// Signs a person in to the browser, beside other people, and uses this session from now on.
    pub fn sign_in(&mut self, principal_name: &str) {
        let name = principal_name.to_lowercase();
        assert!(self.users.contains_key(&name), "there is no user {principal_name}");
        self.sessions.retain(|one| *one != name);
        self.sessions.push(name);
    }

    /// Ends every session of the browser.
    pub fn sign_out(&mut self) {
        self.sessions.clear();
    }

    /// The client ids of the registered applications.
    pub fn client_ids(&self) -> impl Iterator<Item = &str> {
        self.apps.keys().map(String::as_str)
    }

    /// The principal names of the people in the tenant.
    pub fn principal_names(&self) -> impl Iterator<Item = &str> {
        self.users.values().map(|user| user.principal_name.as_str())
    }

    /// The person whose session the browser uses.
    pub fn signed_in_user(&self) -> Option<&str> {
        self.sessions.last().map(String::as_str)
    }

    /// Sets the answer of a person who is asked for consent.
    pub fn set_consent(&mut self, principal_name: &str, consent: Consent) {
        self.user_mut(principal_name).consent = consent;
    }

    /// Sets the AADSTS number with which every sign-in and refresh of a person is refused; none
    /// ends that.
    pub fn set_account_error(&mut self, principal_name: &str, number: Option<u32>) {
        self.user_mut(principal_name).account_error = number;
    }

    /// The access tokens issued since the last call, for ADO to accept.
    pub fn take_issued(&mut self) -> Vec<AccessToken> {
        std::mem::take(&mut self.issued)
    }

    pub(super) fn user(&self, name: &str) -> Option<&User> {
        self.users.get(&name.to_lowercase())
    }

    #[expect(clippy::panic, reason = "a mistake in the test, which is reported at once")]
    fn user_mut(&mut self, name: &str) -> &mut User {
        let found = self.users.get_mut(&name.to_lowercase());
        found.unwrap_or_else(|| panic!("there is no user {name}"))
    }

    #[expect(clippy::panic, reason = "a mistake in the test, which is reported at once")]
    fn app_mut(&mut self, client_id: &str) -> &mut App {
        let found = self.apps.get_mut(client_id);
        found.unwrap_or_else(|| panic!("there is no application {client_id}"))
    }

    /// A random text for a secret, which follows from the seed.
    pub(super) fn random_text(&mut self, prefix: &str, characters: usize) -> String {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        format!("{prefix}{}", self.random.text(alphabet, characters))
    }
}
