//! Decides about a build that has completed in Azure Pipelines.
//!
//! It is a hint, like the callback of another CI: the runs that it may be about are asked about at
//! once, and the answer to that counts. It starts nothing.

use std::collections::BTreeSet;

use super::super::check::{Check, in_pipelines};
use super::super::event::Event;
use super::super::fact::CompletedBuild;
use super::super::follow::obeys_hints;
use super::super::run::Run;
use super::{Decision, Outcome};

/// The names of the CI systems that a build may be at: those of the checks that run in pipelines of
/// its project.
pub fn cis_of_build<'c>(
    checks: &'c [Check],
    organization: &str,
    build: &CompletedBuild,
) -> BTreeSet<&'c str> {
    in_pipelines(checks, organization)
        .filter(|(_, project)| project.is(&build.project_id, &build.project))
        .map(|(check, _)| check.ci.as_str())
        .collect()
}

/// The decision about a build. `cis` are those that it may be at, and `runs` those that have its
/// number there.
pub fn on_build_completed(
    build: &CompletedBuild,
    cis: &BTreeSet<&str>,
    runs: Vec<Run>,
) -> Decision {
    let CompletedBuild { id, project, .. } = build;
    let polled: Vec<Run> = runs.into_iter().filter(obeys_hints).collect();
    let found: Vec<String> = polled
        .iter()
        .map(|run| format!("run {} of {} was asked about at once", run.id, run.check))
        .collect();
    let reason = if cis.is_empty() {
        format!("build {id}: no check runs in pipelines of project {project}")
    } else if found.is_empty() {
        format!("build {id} has ended: no run that is waited for has this build")
    } else {
        format!("build {id} has ended: {}", found.join("; "))
    };
    Decision { polled, ..Decision::nothing(Outcome::Ignored, Event::BuildCompleted, reason) }
}

#[cfg(test)]
mod tests {
    use super::super::super::check;
    use super::super::super::check::tests::storefront;
    use super::super::super::pipeline_project::PipelineProject;
    use super::super::super::run::State;
    use super::super::super::run::tests::run;
    use super::*;

    fn check(ci: &str, organization: &str, project: &str) -> Check {
        let (organization, project) = (organization.to_owned(), project.to_owned());
        let pipeline_project = Some(PipelineProject { organization, project });
        Check { ci: ci.into(), pipeline_project, ..check::tests::check() }
    }

    fn build() -> CompletedBuild {
        let of = storefront();
        CompletedBuild { id: "42".into(), project_id: of.project_id, project: of.project }
    }

    #[test]
    fn a_build_may_be_at_the_cis_of_its_project_and_at_no_other() {
        let checks = [
            check("by-name", "contoso", "webshop"),
            check("by-id", "Contoso", &storefront().project_id),
            check("other-project", "contoso", "Tools"),
            check("other-organization", "fabrikam", "Webshop"),
            check::tests::check(),
        ];
        let cis = cis_of_build(&checks, "contoso", &build());
        assert_eq!(cis, BTreeSet::from(["by-id", "by-name"]));
    }

    #[test]
    fn the_runs_at_the_ci_are_asked_about_and_nothing_is_started() {
        let cis = BTreeSet::from(["pipelines"]);
        for (state, is_polled) in [
            (State::Planned, false),
            (State::Dispatched, true),
            (State::Running, true),
            (State::Succeeded, false),
            (State::Cancelled, false),
        ] {
            let run = Run { cancel_attempts: Some(0), ..run(state) };
            let decision = on_build_completed(&build(), &cis, vec![run.clone()]);
            assert_eq!(decision.outcome, Outcome::Ignored, "{state}");
            assert_eq!(decision.polled.len(), usize::from(is_polled), "{state}");
            assert_eq!(decision.reason.contains(&run.id.to_string()), is_polled, "{state}");
            // It says nothing about how the run is: only its CI does.
            assert!(decision.polled.iter().all(|polled| *polled == run), "{state}");
            let Decision { planned, ended, shown_again, without_run, .. } = decision;
            assert!(planned.is_empty() && ended.is_empty(), "{state}");
            assert!(shown_again.is_empty() && without_run.is_empty(), "{state}");
        }
    }

    #[test]
    fn a_build_that_nobody_waits_for_is_told_why() {
        let unknown = on_build_completed(&build(), &BTreeSet::from(["pipelines"]), Vec::new());
        assert!(unknown.reason.contains("no run that is waited for"), "{}", unknown.reason);
        let elsewhere = on_build_completed(&build(), &BTreeSet::new(), Vec::new());
        assert!(elsewhere.reason.contains("project Webshop"), "{}", elsewhere.reason);
    }
}
