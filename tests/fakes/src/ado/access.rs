//! Who may do what: identities, tokens, scopes, permissions.
//!
//! A token carries scopes, its identity carries permissions; ADO answers 401 for the first and 403
//! for the second, and callers must tell them apart. Nothing here mints tokens by itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::world::World;
use crate::http::Request;

/// A person, group or service.
#[derive(Debug, Clone)]
pub struct Identity {
    /// GUID.
    pub id: String,
    /// Name for people.
    pub display_name: String,
    /// Mail address.
    pub unique_name: String,
    /// Whether it is a group.
    pub is_group: bool,
}

/// A PAT scope (facts §4.3); ADO knows more, the gateway needs these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `vso.code`: read code, manage hooks.
    Code,
    /// `vso.code_write`: also write code and policies.
    CodeWrite,
    /// `vso.code_status`: statuses only; reads no code and manages no hooks.
    CodeStatus,
    /// `vso.build`: read builds, manage hooks.
    Build,
    /// `vso.build_execute`: also queue builds.
    BuildExecute,
    /// `vso.threads_full`: comment threads.
    Threads,
    /// `vso.project`: read projects.
    Project,
    /// `app_token`: everything.
    Full,
}

impl Scope {
    /// The scope of that wire name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "vso.code" => Self::Code,
            "vso.code_write" | "vso.code_manage" | "vso.code_full" => Self::CodeWrite,
            "vso.code_status" => Self::CodeStatus,
            "vso.build" => Self::Build,
            "vso.build_execute" => Self::BuildExecute,
            "vso.threads_full" => Self::Threads,
            "vso.project" => Self::Project,
            "app_token" | "user_impersonation" => Self::Full,
            _ => return None,
        })
    }

    /// Whether holding this scope is enough where `needed` is asked for.
    fn grants(self, needed: Self) -> bool {
        match self {
            Self::Full => true,
            Self::CodeWrite => matches!(needed, Self::Code | Self::CodeWrite | Self::CodeStatus),
            Self::BuildExecute => matches!(needed, Self::Build | Self::BuildExecute),
            _ => self == needed,
        }
    }
}

/// A permission that can be taken from an identity (facts §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Git: read.
    GenericRead,
    /// Git: write; also posts commit statuses.
    GenericContribute,
    /// Git: contribute to pull requests; also posts their statuses.
    PullRequestContribute,
    /// Git: change branch policies.
    EditPolicies,
    /// Service hooks: see subscriptions.
    ViewSubscriptions,
    /// Service hooks: create, change and delete subscriptions.
    EditSubscriptions,
}

impl Permission {
    /// The security namespace and the bit in it.
    pub fn bit(self) -> (&'static str, u32) {
        const GIT: &str = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87";
        const HOOKS: &str = "cb594ebe-87dd-4fc9-ac2c-6a10a4c92046";
        match self {
            Self::GenericRead => (GIT, 2),
            Self::GenericContribute => (GIT, 4),
            Self::PullRequestContribute => (GIT, 16384),
            Self::EditPolicies => (GIT, 2048),
            Self::ViewSubscriptions => (HOOKS, 1),
            Self::EditSubscriptions => (HOOKS, 2),
        }
    }

    /// Every permission that the fake knows.
    pub const ALL: [Self; 6] = [
        Self::GenericRead,
        Self::GenericContribute,
        Self::PullRequestContribute,
        Self::EditPolicies,
        Self::ViewSubscriptions,
        Self::EditSubscriptions,
    ];
}

/// A token that ADO accepts.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) identity: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) valid_until_ms: i64,
    pub(crate) is_bearer: bool,
}

/// A permission taken away, everywhere or in one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) identity: String,
    pub(crate) permission: Permission,
    pub(crate) repository: Option<String>,
}

/// Who is calling, after the token was found good.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) identity: String,
    scopes: Vec<Scope>,
}

impl Caller {
    /// Whether the token carries one of these scopes.
    pub(crate) fn holds_any(&self, needed: &[Scope]) -> bool {
        let held = |scope: &Scope| self.scopes.iter().any(|own| own.grants(*scope));
        needed.is_empty() || needed.iter().any(held)
    }
}

impl World {
    /// Makes a PAT of that secret valid: Basic, any user name (facts §4.1). Scopes are wire names;
    /// an unknown one is refused, as it is a slip of the test's author.
    pub fn add_pat(&mut self, secret: &str, identity: &str, scopes: &[&str], valid_until_ms: i64) {
        self.add_token(secret, identity, scopes, valid_until_ms, false);
    }

    /// Makes a bearer token valid, as Entra hands them to service principals.
    pub fn add_bearer(&mut self, secret: &str, identity: &str, valid_until_ms: i64) {
        self.add_token(secret, identity, &["app_token"], valid_until_ms, true);
    }

    fn add_token(
        &mut self,
        secret: &str,
        identity: &str,
        scopes: &[&str],
        valid_until_ms: i64,
        is_bearer: bool,
    ) {
        let parsed: Vec<_> = scopes.iter().filter_map(|name| Scope::parse(name)).collect();
        assert_eq!(parsed.len(), scopes.len(), "one of the scopes {scopes:?} is unknown");
        assert!(self.identities.contains_key(identity), "there is no identity {identity}");
        let identity = identity.to_owned();
        let token = Token { identity, scopes: parsed, valid_until_ms, is_bearer };
        self.tokens.insert(secret.to_owned(), token);
    }

    /// Ends a token at once.
    pub fn revoke_token(&mut self, secret: &str) {
        self.tokens.remove(secret);
    }

    /// Takes a permission from an identity, in one repository or everywhere.
    pub fn deny(&mut self, identity: &str, permission: Permission, repository: Option<&str>) {
        let (identity, repository) = (identity.to_owned(), repository.map(str::to_owned));
        self.denials.push(Denial { identity, permission, repository });
    }

    /// Gives a permission back.
    pub fn allow(&mut self, identity: &str, permission: Permission) {
        self.denials.retain(|one| one.identity != identity || one.permission != permission);
    }

    /// Whether an identity has a permission there; everybody has what was not taken.
    pub fn may(&self, identity: &str, permission: Permission, repository: Option<&str>) -> bool {
        !self.denials.iter().any(|denial| {
            let there = denial.repository.is_none() || denial.repository.as_deref() == repository;
            there && denial.identity == identity && denial.permission == permission
        })
    }

    /// Who is calling; none for a missing, wrong or expired token.
    pub(crate) fn caller(&self, request: &Request) -> Option<Caller> {
        let (kind, value) = request.header("authorization")?.split_once(' ')?;
        let is_bearer = kind.eq_ignore_ascii_case("bearer");
        let secret = if is_bearer { value.to_owned() } else { basic_password(value)? };
        let token = self.tokens.get(&secret)?;
        let alive = token.valid_until_ms > self.now_ms && token.is_bearer == is_bearer;
        alive.then(|| Caller { identity: token.identity.clone(), scopes: token.scopes.clone() })
    }
}

fn basic_password(encoded: &str) -> Option<String> {
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}
