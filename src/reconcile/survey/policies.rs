//! Whether merging waits for the required checks: the policies at Azure DevOps compared with what
//! the checks post.

use std::collections::{BTreeMap, BTreeSet};

use super::explain::explain;
use super::target::SurveyTarget;
use crate::domain::check::Check;
use crate::domain::event::Repository;
use crate::domain::permission::Findings;
use crate::domain::policy::{Defaults, View, desired, verdicts};
use crate::domain::subscription::Watched;

/// The most projects whose policies are listed; each is one call or, with many policies, more.
const PROJECTS_MAX: usize = 50;

/// Adds the verdicts about the projects in which checks are required.
pub(super) async fn judge(
    checks: &[Check],
    target: &SurveyTarget,
    repositories: &[Repository],
    defaults: &Defaults,
    findings: &mut Findings,
) {
    let organization = findings.organization.clone();
    let Some(me) = findings.identity.as_ref().map(|identity| identity.id.to_lowercase()) else {
        return;
    };
    let watched =
        |repository: &Repository| Watched { repository: repository.clone(), former_names: vec![] };
    let mut seen: Vec<Watched> = repositories.iter().map(watched).collect();
    let projects: BTreeMap<String, String> = desired(checks, &organization, &seen, defaults)
        .into_iter()
        .map(|one| (one.project_id, one.project))
        .collect();
    let mut found = Vec::new();
    for (at, (id, name)) in projects.into_iter().enumerate() {
        let listed = if at < PROJECTS_MAX { target.policies(&id).await } else { Ok(None) };
        let what = format!("listing policies of {name}");
        let problem = match listed {
            Ok(Some(policies)) => {
                found.extend(policies);
                continue;
            }
            Ok(None) => format!("{what}: there are more than a survey reads"),
            Err(error) => explain(&what, &error),
        };
        findings.problems.push(problem);
        // A policy that was not listed must not count as missing.
        seen.retain(|one| one.repository.project_id != id);
    }
    let view = View {
        organization: &organization,
        checks,
        seen: &seen,
        defaults,
        owned: &BTreeSet::new(),
        read: &BTreeSet::new(),
        me: &me,
        found: &found,
    };
    findings.policies = verdicts(&view);
}
