//! What is wrong with our identity in each organization, as last experienced, and what soon will
//! be.
//!
//! A dead credential must not turn deliveries away, and must not stay hidden either: it shows in
//! the body of `/readyz` and in a metric until it works again. It must never know a credential.

use std::collections::BTreeMap;

use dashmap::DashMap;

/// What a problem is about; each has its own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// The link, or whatever else gives us access tokens.
    Link,
    /// Minting.
    Mint,
    /// Calls with what was lent.
    Calls,
    /// Subscriptions: on probation, disabled, silent, or not to be looked at.
    Hooks,
    /// Looking for what no delivery told.
    CatchUp,
    /// The policies of required checks.
    Policies,
    /// Will be wrong: the client secret ends.
    ClientSecret,
    /// Will be wrong: nobody has signed in interactively for long.
    SignIn,
}

impl Aspect {
    fn is_warning(self) -> bool {
        matches!(self, Aspect::ClientSecret | Aspect::SignIn)
    }
}

/// See the module. Keyed by organization and aspect.
#[derive(Debug, Default)]
pub struct Health {
    wrong: DashMap<(String, Aspect), String>,
}

impl Health {
    /// Something does not work, or soon will not, for this reason. Says whether that is news.
    pub fn wrong(&self, organization: &str, aspect: Aspect, reason: &str) -> bool {
        let before = self.wrong.insert((organization.to_owned(), aspect), reason.to_owned());
        self.gauge(organization);
        before.as_deref() != Some(reason)
    }

    /// It works.
    pub fn fine(&self, organization: &str, aspect: Aspect) {
        self.wrong.remove(&(organization.to_owned(), aspect));
        self.gauge(organization);
    }

    /// What is wrong, by organization; nothing about those where all is well.
    pub fn problems(&self) -> BTreeMap<String, String> {
        self.told(|aspect| !aspect.is_warning())
    }

    /// What will be wrong unless somebody acts, by organization.
    pub fn warnings(&self) -> BTreeMap<String, String> {
        self.told(Aspect::is_warning)
    }

    fn told(&self, is_wanted: impl Fn(Aspect) -> bool) -> BTreeMap<String, String> {
        let mut rows: Vec<_> = self
            .wrong
            .iter()
            .filter(|entry| is_wanted(entry.key().1))
            .map(|entry| (entry.key().clone(), entry.value().clone()))
            .collect();
        rows.sort();
        let mut told: BTreeMap<String, String> = BTreeMap::new();
        for ((organization, _), reason) in rows {
            match told.get_mut(&organization) {
                Some(before) => *before = format!("{before}; {reason}"),
                None => drop(told.insert(organization, reason)),
            }
        }
        told
    }

    fn gauge(&self, organization: &str) {
        let organization = organization.to_owned();
        // A hook that somebody switched off says nothing about our being let in.
        let is_wrong = [Aspect::Link, Aspect::Mint, Aspect::Calls]
            .iter()
            .any(|aspect| self.wrong.contains_key(&(organization.clone(), *aspect)));
        metrics::gauge!("azdo_gateway_credential_accepted", "organization" => organization)
            .set(if is_wrong { 0.0 } else { 1.0 });
    }
}
