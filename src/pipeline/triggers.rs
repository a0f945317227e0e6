//! Makes what CIs and runners are told about a run.

use std::collections::HashMap;

use url::Url;

use crate::ado;
use crate::ci::Trigger;
use crate::deps::Deps;
use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::secret::Keyring;

/// See the module.
#[derive(Clone, Debug)]
pub struct Triggers {
    /// Where repositories are cloned from, by organization.
    organizations: HashMap<String, ado::Options>,
    keys: Keyring,
    public_url: Url,
}

impl Triggers {
    /// `organizations` are the addresses of the organizations, by name.
    pub fn new(organizations: HashMap<String, ado::Options>, deps: &Deps) -> Self {
        Self { organizations, keys: deps.keys.clone(), public_url: deps.public_url.clone() }
    }

    /// For the next attempt to start a run.
    pub(super) fn next<'a>(&self, run: &'a Run, now: Timestamp) -> Trigger<'a> {
        Trigger::new(run, self.clone_url(run), &self.public_url, &self.keys, now)
    }

    /// For the runner that has taken a run.
    pub(super) fn leased<'a>(&self, run: &'a Run, now: Timestamp) -> Trigger<'a> {
        Trigger::leased(run, self.clone_url(run), &self.public_url, &self.keys, now)
    }

    fn clone_url(&self, run: &Run) -> String {
        let options = self.organizations.get(&run.organization);
        options.map(|it| it.clone_url(&run.repository).to_string()).unwrap_or_default()
    }
}
