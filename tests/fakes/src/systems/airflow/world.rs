//! The state of Airflow: one DAG, its runs, and who may ask.

use std::collections::BTreeMap;

use crate::faults::Faults;
use crate::http::{Request, Response};
use crate::journal::Journal;
use crate::neighbour::Neighbour;
use crate::random::Random;
use crate::systems::{Builds, System};

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What an account permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It may start and change runs.
    Op,
    Viewer,
}

/// A person or program that may sign in.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) name: &'static str,
    pub(super) password: String,
    pub(super) role: Role,
}

/// A token that was issued.
#[derive(Debug, Clone, Copy)]
pub(super) struct Issued {
    pub(super) role: Role,
    /// When it expires, in milliseconds since 1970.
    pub(super) expires_ms: i64,
}

/// Airflow with one DAG.
#[derive(Debug, Clone)]
pub struct World {
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    /// The id of the DAG.
    pub dag: String,
    /// A paused DAG takes runs, and leaves them queued.
    pub is_paused: bool,
    /// Whether the file of the DAG cannot be read.
    pub has_import_errors: bool,
    /// Whether runs may be started by hand.
    pub permits_manual_runs: bool,
    /// How long a token lives.
    pub token_life_ms: i64,
    pub(super) base_url: String,
    pub(super) builds: Builds,
    /// The notes of runs, by build.
    pub(super) notes: BTreeMap<u64, String>,
    pub(super) accounts: Vec<Account>,
    /// The tokens that are valid, but for their time.
    pub(super) issued: BTreeMap<String, Issued>,
    /// How often somebody has signed in.
    pub(super) logins: u32,
    pub(super) random: Random,
}

impl World {
    /// The DAG `ci_build`, active.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed ^ 0xA1F1);
        let accounts = [("gateway", Role::Op), ("viewer", Role::Viewer)]
            .map(|(name, role)| Account { name, password: random.text(BASE62, 20), role });
        Self {
            faults: Faults::seeded(seed ^ 0xA1F1),
            journal: Journal::default(),
            dag: "ci_build".to_owned(),
            is_paused: false,
            has_import_errors: false,
            permits_manual_runs: true,
            token_life_ms: 86_400_000,
            base_url: "http://airflow.invalid".to_owned(),
            builds: Builds::numbered_from(1),
            notes: BTreeMap::new(),
            accounts: accounts.to_vec(),
            issued: BTreeMap::new(),
            logins: 0,
            random,
        }
    }

    /// Name and password of an account that may start and change runs.
    pub fn credential(&self) -> (&str, &str) {
        self.credential_of(Role::Op)
    }

    /// Name and password of an account that may only look.
    pub fn read_only_credential(&self) -> (&str, &str) {
        self.credential_of(Role::Viewer)
    }

    fn credential_of(&self, role: Role) -> (&str, &str) {
        let account = self.accounts.iter().find(|account| account.role == role);
        account.map_or(("", ""), |account| (account.name, &account.password))
    }

    /// How often somebody has signed in.
    pub fn logins(&self) -> u32 {
        self.logins
    }

    /// Makes all tokens invalid, as a new signing key does.
    pub fn revoke_tokens(&mut self) {
        self.issued.clear();
    }
}

impl Neighbour for World {
    crate::neighbour::kept_in_fields!();

    fn answer(&mut self, request: &Request, now_ms: i64) -> Response {
        self.route(request, now_ms).unwrap_or_else(|refusal| refusal)
    }
}

impl System for World {
    crate::systems::kept_in_fields!();
}
