//! Whether merging waits for the required checks: what policies wait for against what we post. It
//! must never change a policy.

use std::collections::{BTreeMap, BTreeSet};

use super::explaining::explain;
use super::{LOOK, Surveyed, Surveys};
use crate::ado::Scope;
use crate::credentials::{CallError, call};
use crate::domain::event::Repository;
use crate::domain::permission::Findings;
use crate::domain::policy::{Defaults, Found, View, verdicts, wanted};
use crate::domain::subscription::Watched;

/// Every one is a call, or more where it has many policies.
const PROJECTS_MAX: usize = 50;
const PAGES_MAX: usize = 5;

impl Surveys {
    /// Looks at the policies of the projects in which checks are required.
    pub(super) async fn policies(
        &self,
        surveyed: &Surveyed,
        repositories: &[Repository],
        defaults: &Defaults,
        findings: &mut Findings,
    ) {
        let organization = findings.organization.clone();
        let Some(me) = findings.identity.as_ref().map(|identity| identity.id.to_lowercase()) else {
            return;
        };
        let watched = |repository: &Repository| Watched {
            repository: repository.clone(),
            former_names: Vec::new(),
        };
        let mut seen: Vec<Watched> = repositories.iter().map(watched).collect();
        let projects: BTreeMap<String, String> =
            wanted(&self.checks, &organization, &seen, defaults)
                .into_iter()
                .map(|one| (one.project_id, one.project))
                .collect();
        let mut found = Vec::new();
        for (at, (id, name)) in projects.into_iter().enumerate() {
            let listed = match at < PROJECTS_MAX {
                true => surveyed.policies(&id).await,
                false => Ok(None),
            };
            let what = format!("listing policies of {name}");
            let problem = match listed {
                Ok(Some(policies)) => {
                    found.extend(policies);
                    continue;
                }
                Ok(None) => format!("{what}: there are too many to look at all of them"),
                Err(error) => explain(&what, &error),
            };
            findings.problems.push(problem);
            // What was not looked at must not be said to be missing.
            seen.retain(|one| one.repository.project_id != id);
        }
        let view = View {
            organization: &organization,
            checks: &self.checks,
            seen: &seen,
            defaults,
            ours: &BTreeSet::new(),
            read: &BTreeSet::new(),
            me: &me,
            found: &found,
        };
        findings.policies = verdicts(&view);
    }
}

impl Surveyed {
    /// The status policies of a project; none where there are too many.
    async fn policies(&self, project: &str) -> Result<Option<Vec<Found>>, CallError> {
        let (mut found, mut after) = (Vec::new(), None::<String>);
        for _ in 0..PAGES_MAX {
            let ask = |credential| self.client.policies(credential, project, after.as_deref());
            let (page, next) = call(self.source.as_ref(), Scope::Code, LOOK, ask).await?;
            found.extend(page);
            if next.is_none() || next == after {
                return Ok(Some(found));
            }
            after = next;
        }
        Ok(None)
    }
}
