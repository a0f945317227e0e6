//! Tokens and what they permit.

use super::refusal::error;
use crate::http::Response;
use crate::random::Random;

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A permission on the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    None,
    Read,
    Write,
}

impl Level {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    pub(super) fn parse(name: &str) -> Self {
        match name {
            "read" => Self::Read,
            "write" => Self::Write,
            _ => Self::None,
        }
    }
}

/// One token.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) secret: String,
    pub(super) actions: Level,
    pub(super) contents: Level,
    /// Whether it sees the repository at all.
    pub(super) sees_repository: bool,
    /// When it expires, in milliseconds since 1970.
    pub(super) expires_ms: Option<i64>,
}

impl Token {
    /// A fine-grained personal access token.
    pub(super) fn fine_grained(random: &mut Random, actions: Level) -> Self {
        let (id, secret) = (random.text(BASE62, 22), random.text(BASE62, 59));
        Self::new(format!("github_pat_{id}_{secret}"), actions, Level::None)
    }

    /// A classic personal access token with the scope `repo`.
    pub(super) fn classic(random: &mut Random) -> Self {
        let secret = format!("ghp_{}", random.text(BASE62, 36));
        Self::new(secret, Level::Write, Level::Write)
    }

    /// A token of the installation of an App.
    pub(super) fn of_installation(random: &mut Random, actions: Level, expires_ms: i64) -> Self {
        let secret = format!("ghs_{}", random.text(BASE62, 36));
        let expires_ms = Some(expires_ms);
        Self { expires_ms, ..Self::new(secret, actions, Level::None) }
    }

    fn new(secret: String, actions: Level, contents: Level) -> Self {
        Self { secret, actions, contents, sees_repository: true, expires_ms: None }
    }

    pub(super) fn may_act(&self, needed: Level) -> Result<(), Response> {
        self.may(self.actions, needed)
    }

    pub(super) fn may_open(&self, needed: Level) -> Result<(), Response> {
        self.may(self.contents, needed)
    }

    fn may(&self, held: Level, needed: Level) -> Result<(), Response> {
        if held >= needed {
            return Ok(());
        }
        let by = match self.secret.starts_with("ghs_") {
            true => "integration",
            false => "personal access token",
        };
        Err(error(403, &format!("Resource not accessible by {by}")))
    }
}
