//! From a request to the caller: PATs, bearer tokens, and the identities that hold them.
//!
//! A token has scopes and its identity has permissions. ADO answers 401 where a scope is missing
//! and 403 where a permission is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::identity::{AuthenticationError, Caller, CredentialKind, Token};
use super::scope::Scope;
use crate::access_token::{AccessToken, Subject};
use crate::ado::world::World;
use crate::http::Request;

impl World {
    /// Adds a PAT with that secret (docs/azure-devops.md §4.1). Scopes have their wire names; an
    /// unknown one panics, as it is a mistake in the test.
    pub fn add_pat(&mut self, secret: &str, identity: &str, scopes: &[&str], valid_until_ms: i64) {
        self.add_token(secret, identity, scopes, valid_until_ms, CredentialKind::Pat);
    }

    /// Adds a bearer token of a service principal.
    pub fn add_bearer(&mut self, secret: &str, identity: &str, valid_until_ms: i64) {
        self.add_token(
            secret,
            identity,
            &["app_token"],
            valid_until_ms,
            CredentialKind::Application,
        );
    }

    /// Adds a bearer token of a person, with delegated scopes.
    pub fn add_user_bearer(&mut self, secret: &str, identity: &str, scopes: &[&str], until: i64) {
        self.add_token(secret, identity, scopes, until, CredentialKind::User);
    }

    fn add_token(
        &mut self,
        secret: &str,
        identity: &str,
        scopes: &[&str],
        valid_until_ms: i64,
        kind: CredentialKind,
    ) {
        let parsed: Vec<_> = scopes.iter().filter_map(|name| Scope::parse(name)).collect();
        assert_eq!(parsed.len(), scopes.len(), "one of the scopes {scopes:?} is unknown");
        assert!(self.identities.contains_key(identity), "there is no identity {identity}");
        let holder = identity.to_owned();
        let token = Token { holder, scopes: parsed, valid_until_ms, kind };
        self.tokens.insert(secret.to_owned(), token);
    }

    /// Accepts an access token that Entra has issued. Its holder is looked up when it calls, since
    /// the identity may be created later.
    pub fn accept_access_token(&mut self, token: AccessToken) {
        let (holder, scopes, kind) = match token.subject {
            Subject::User { principal_name, scopes } => {
                let scopes = scopes.iter().filter_map(|name| Scope::parse(name)).collect();
                (principal_name, scopes, CredentialKind::User)
            }
            Subject::Application { object_id } => {
                (object_id, vec![Scope::Full], CredentialKind::Application)
            }
        };
        let accepted = Token { holder, scopes, valid_until_ms: token.valid_until_ms, kind };
        self.tokens.insert(token.secret, accepted);
    }

    /// Revokes a token at once.
    pub fn revoke_token(&mut self, secret: &str) {
        self.tokens.remove(secret);
    }

    /// Revokes every bearer token at once, as an administrator does who revokes sessions.
    pub fn end_bearers(&mut self) {
        self.tokens.retain(|_, token| token.kind == CredentialKind::Pat);
    }

    /// Removes the membership or licence of an identity: all its calls are refused with TF400813.
    pub fn remove_member(&mut self, identity: &str) {
        self.non_members.insert(identity.to_owned());
    }

    /// Restores the membership of an identity.
    pub fn add_member(&mut self, identity: &str) {
        self.non_members.remove(identity);
    }

    /// The caller of an organization.
    pub(crate) fn caller(
        &self,
        request: &Request,
        organization: &str,
    ) -> Result<Caller, AuthenticationError> {
        let (is_bearer, secret) = presented(request).ok_or(AuthenticationError::InvalidToken)?;
        if !is_bearer && let Some(caller) = self.minted_caller(&secret, organization) {
            return caller.and_then(|caller| self.member(caller));
        }
        let token = self.tokens.get(&secret);
        let token = token.filter(|token| {
            token.valid_until_ms > self.now_ms && (token.kind != CredentialKind::Pat) == is_bearer
        });
        let token = token.ok_or(AuthenticationError::InvalidToken)?;
        let identity =
            self.identity_named(&token.holder).ok_or(AuthenticationError::NotAuthorized)?;
        let (scopes, kind) = (token.scopes.clone(), token.kind);
        self.member(Caller { identity, scopes, kind })
    }

    fn member(&self, caller: Caller) -> Result<Caller, AuthenticationError> {
        if self.non_members.contains(&caller.identity) {
            Err(AuthenticationError::NotAuthorized)
        } else {
            Ok(caller)
        }
    }

    /// The GUID of the identity that has this GUID or this unique name.
    pub fn identity_named(&self, name: &str) -> Option<String> {
        if self.identities.contains_key(name) {
            return Some(name.to_owned());
        }
        let mut all = self.identities.values();
        let found = all.find(|one| one.unique_name.eq_ignore_ascii_case(name));
        found.map(|one| one.id.clone())
    }
}

/// Whether the presented credential is a bearer token, and its secret.
pub(crate) fn presented(request: &Request) -> Option<(bool, String)> {
    let (kind, value) = request.header("authorization")?.split_once(' ')?;
    if kind.eq_ignore_ascii_case("bearer") {
        return Some((true, value.to_owned()));
    }
    kind.eq_ignore_ascii_case("basic")
        .then(|| basic_password(value))
        .flatten()
        .map(|it| (false, it))
}

fn basic_password(encoded: &str) -> Option<String> {
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}
