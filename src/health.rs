//! The problems and warnings of each organization, as the parts of the gateway last reported them.
//!
//! A credential or a hook that does not work must not turn deliveries away, so it cannot show as an
//! error there. It is raised here instead: `/readyz`, the API and a metric show it until the part
//! that raised it clears it.

use std::collections::BTreeMap;

use dashmap::DashMap;

/// What a problem is about. An organization has at most one problem of each kind; of `Ci` one for
/// each CI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// The link to the service user, or another source of access tokens, does not work.
    Link,
    /// No personal access tokens can be minted.
    Mint,
    /// Azure DevOps refuses the credential of a call.
    Calls,
    /// A hook subscription is on probation, disabled or silent, or cannot be read.
    Hooks,
    /// Missed events cannot be looked for.
    CatchUp,
    /// The policies of required checks cannot be kept.
    Policies,
    /// Deliveries were damaged on disk.
    Damage,
    /// A CI refuses what the gateway asks.
    Ci,
    /// Replicas have different configurations.
    Configuration,
    /// Warning: the client secret expires soon.
    ClientSecret,
    /// Warning: nobody has signed in as the service user for long.
    SignIn,
}

impl ProblemKind {
    const ALL: [ProblemKind; 11] = [
        ProblemKind::Link,
        ProblemKind::Mint,
        ProblemKind::Calls,
        ProblemKind::Hooks,
        ProblemKind::CatchUp,
        ProblemKind::Policies,
        ProblemKind::Damage,
        ProblemKind::Ci,
        ProblemKind::Configuration,
        ProblemKind::ClientSecret,
        ProblemKind::SignIn,
    ];

    /// The name in answers and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            ProblemKind::Link => "link",
            ProblemKind::Mint => "mint",
            ProblemKind::Calls => "calls",
            ProblemKind::Hooks => "hooks",
            ProblemKind::CatchUp => "catch_up",
            ProblemKind::Policies => "policies",
            ProblemKind::Damage => "damage",
            ProblemKind::Ci => "ci",
            ProblemKind::Configuration => "configuration",
            ProblemKind::ClientSecret => "client_secret",
            ProblemKind::SignIn => "sign_in",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<ProblemKind> {
        ProblemKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Nothing fails yet, but will unless somebody acts.
    pub fn is_warning(self) -> bool {
        matches!(self, ProblemKind::ClientSecret | ProblemKind::SignIn)
    }
}

/// A problem or warning of an organization.
#[derive(Clone, Debug)]
pub struct Problem {
    pub organization: String,
    pub kind: ProblemKind,
    /// What it is about, where there may be several of its kind.
    pub about: String,
    /// For an operator: what does not work, and what to do.
    pub reason: String,
}

/// See the module. Keyed by organization, kind, and what it is about where there may be several of
/// that kind; the value is the reason, for an operator.
#[derive(Debug, Default)]
pub struct Health {
    problems: DashMap<(String, ProblemKind, String), String>,
}

impl Health {
    /// Records a problem, in place of an earlier one of its kind. Returns whether its reason is
    /// new, so that a caller logs each reason once.
    pub fn raise(&self, organization: &str, kind: ProblemKind, reason: &str) -> bool {
        self.raise_of(organization, kind, "", reason)
    }

    /// Like [`Health::raise`], where there may be several problems of a kind, which `of` tells
    /// apart.
    pub fn raise_of(&self, organization: &str, kind: ProblemKind, of: &str, reason: &str) -> bool {
        let key = (organization.to_owned(), kind, of.to_owned());
        let before = self.problems.insert(key, reason.to_owned());
        self.set_metrics(organization, kind);
        before.as_deref() != Some(reason)
    }

    /// Removes the problem of this kind, if there is one.
    pub fn clear(&self, organization: &str, kind: ProblemKind) {
        self.clear_of(organization, kind, "");
    }

    /// Removes the problem of this kind that is about `of`, if there is one.
    pub fn clear_of(&self, organization: &str, kind: ProblemKind, of: &str) {
        self.problems.remove(&(organization.to_owned(), kind, of.to_owned()));
        self.set_metrics(organization, kind);
    }

    /// The reasons of all problems, joined by organization; only organizations that have one.
    pub fn problems(&self) -> BTreeMap<String, String> {
        self.reasons(|kind| !kind.is_warning())
    }

    /// The reasons of all warnings, joined by organization; only organizations that have one.
    pub fn warnings(&self) -> BTreeMap<String, String> {
        self.reasons(ProblemKind::is_warning)
    }

    /// Every problem and warning, by organization and kind.
    pub fn list(&self) -> Vec<Problem> {
        let mut rows: Vec<_> = self
            .problems
            .iter()
            .map(|entry| (entry.key().clone(), entry.value().clone()))
            .collect();
        rows.sort();
        let problem =
            |((organization, kind, about), reason)| Problem { organization, kind, about, reason };
        rows.into_iter().map(problem).collect()
    }

    fn reasons(&self, is_wanted: impl Fn(ProblemKind) -> bool) -> BTreeMap<String, String> {
        let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for Problem { organization, reason, .. } in
            self.list().into_iter().filter(|problem| is_wanted(problem.kind))
        {
            reasons.entry(organization).or_default().push(reason);
        }
        reasons.into_iter().map(|(organization, all)| (organization, all.join("; "))).collect()
    }

    /// Says whether there is a problem of this kind, and whether Azure DevOps or Entra refuses the
    /// credential of the organization: problems with hooks or policies do not count there.
    fn set_metrics(&self, organization: &str, changed: ProblemKind) {
        let is_there = |kind| {
            let has =
                |(of, its, _): &(String, ProblemKind, String)| of == organization && *its == kind;
            self.problems.iter().any(|entry| has(entry.key()))
        };
        let number = |is_so| if is_so { 1.0 } else { 0.0 };
        let name = || organization.to_owned();
        metrics::gauge!("azdo_gateway_problems", "organization" => name(),
            "kind" => changed.as_str())
        .set(number(is_there(changed)));
        let credential = [ProblemKind::Link, ProblemKind::Mint, ProblemKind::Calls];
        let is_refused = credential.into_iter().any(is_there);
        metrics::gauge!("azdo_gateway_credential_accepted", "organization" => name())
            .set(number(!is_refused));
    }
}
