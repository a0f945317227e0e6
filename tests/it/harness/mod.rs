//! A gateway and its played neighbours, ready to be used by a test.
//!
//! `Env` is the neighbours with an organization, a project, a repository and the hooks; a gateway
//! runs in this process (`Inside`) or as the real binary (`Outside`). It must never reach into the
//! gateway but through its public edges.

mod actions;
mod api;
mod env;
mod hooks;
mod inside;
mod invariants;
mod linking;
mod outside;
/// Parts of a gateway on their own.
pub(crate) mod parts;
/// Bodies of deliveries that the played Azure DevOps does not send by itself.
pub(crate) mod payloads;
mod settings;

pub(crate) use api::Api;
pub(crate) use env::{Env, ORGANIZATION, SERVICE_USER};
pub(crate) use inside::Inside;
pub(crate) use invariants::{check_invariants, check_lasting, newest_status};
pub(crate) use linking::Browser;
pub(crate) use outside::{Outside, binary, inheriting};
pub(crate) use settings::{
    BY_HAND, CLIENT_SECRET, OPERATOR, PAT, REPORTER, ROOT_KEY, Settings, VIEWER, check,
};

use std::time::Duration;

/// How long a test waits for something that has to happen before it fails. Generous, since it is
/// only ever waited out by a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often something is asked that cannot tell by itself.
pub(crate) const PACE: Duration = Duration::from_millis(10);
