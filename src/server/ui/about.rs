//! What an open page is about: `about` in the address of its stream, which then tells of nothing
//! else. A page may be about kinds of things, about one run or delivery, or about a pull request, a
//! commit or a branch. Whoever may see the page may watch what it is about.

use std::collections::BTreeSet;

use url::Url;

use super::visit::{BEAT, Visit};
use crate::changes::{Change, Kind};
use crate::domain::about::{commit_in, commit_subject, delivery_key, key, run_key};
use crate::domain::address::{self, Address, Subject};
use crate::domain::id::{DeliveryId, RunId};
use crate::server::api::deliveries::Deliveries;
use crate::server::api::resource::Resource;
use crate::server::api::runs::Runs;
use crate::server::problem::Problem;
use crate::storage::{Page, RunFilter};

/// Of a page that shows all kinds of things.
pub(super) const ALL: &str = "delivery,run,status";
const EXPECTED: &str = "beat; delivery, run, status or several of them with commas; delivery: or \
                        run: and an id; or the path below /ui of a pull request, a commit, a \
                        branch or a tag";
/// As many runs as the page of a pull request, a commit or a branch shows.
const RUNS_MAX: usize = 100;

/// What `about` says.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Kinds(Vec<Kind>),
    Delivery(DeliveryId),
    Run(RunId),
    /// The page at this address below `/ui`.
    Page(Address),
}

fn parse(text: &str) -> Option<Asked> {
    if text == BEAT {
        return Some(Asked::Kinds(Vec::new()));
    }
    if text.starts_with('/') {
        return page(text).map(Asked::Page);
    }
    match text.split_once(':') {
        Some(("delivery", id)) => id.parse().ok().map(Asked::Delivery),
        Some(("run", id)) => id.parse().ok().map(Asked::Run),
        Some(_) => None,
        None => text.split(',').map(Kind::parse).collect::<Option<_>>().map(Asked::Kinds),
    }
}

fn page(path: &str) -> Option<Address> {
    // Its host does not matter: the first segment of the path names the organization.
    let url = Url::parse(&format!("https://localhost{path}")).ok()?;
    let address = address::parse(&url, &[])?;
    let is_page = match &address.subject {
        Subject::PullRequest(_) | Subject::Ref(_) => true,
        Subject::Commit(commit) => address::is_commit(commit),
        Subject::Repository => false,
    };
    is_page.then_some(address)
}

/// See the module.
#[derive(Debug)]
pub(super) enum About {
    /// Everything of these kinds.
    Kinds(Vec<Kind>),
    /// What has one of these keys (`domain::about`), among them those of runs: a status names no
    /// more than its run. Where runs come of which nobody has told, they are looked up.
    Keys(BTreeSet<i64>, Option<RunsOf>),
}

/// Whose runs a page shows.
#[derive(Debug)]
pub(super) enum RunsOf {
    Delivery(DeliveryId),
    /// An organization, and the subject of runs in it.
    Subject(String, String),
    Commit(RunFilter),
}

impl About {
    /// What the request is about.
    ///
    /// # Errors
    /// It cannot be understood, there is no such thing, or who asks may not see its page.
    pub(super) async fn asked(visit: &Visit) -> Result<Self, Problem> {
        visit.parameters.only(&["about"])?;
        let asked = visit.parameters.parse_with("about", EXPECTED, parse)?;
        let mut about = match asked.unwrap_or_else(|| Asked::Kinds(Kind::ALL.into())) {
            Asked::Page(address) => of_page(visit, address).await?,
            Asked::Run(id) => of_run(visit, id).await?,
            Asked::Kinds(kinds) if kinds.is_empty() => Self::Kinds(kinds),
            _ if !visit.sees_all() => return Err(visit.missing("page", "/ui/live")),
            Asked::Kinds(kinds) => Self::Kinds(kinds),
            Asked::Delivery(id) => {
                Self::Keys([delivery_key(id)].into(), Some(RunsOf::Delivery(id)))
            }
        };
        about.look_up(visit).await?;
        Ok(about)
    }

    /// Looks up the runs that it is about.
    ///
    /// # Errors
    /// The store does not answer, or there is no such delivery.
    pub(super) async fn look_up(&mut self, visit: &Visit) -> Result<(), Problem> {
        let Self::Keys(keys, Some(runs)) = self else { return Ok(()) };
        let store = &visit.state.deps.store;
        let runs: Vec<RunId> = match runs {
            RunsOf::Delivery(id) => {
                let found = store.delivery(*id).await?;
                found.ok_or_else(|| visit.missing(Deliveries::NAME, &id.to_string()))?.runs
            }
            RunsOf::Subject(organization, subject) => {
                let subjects = vec![(organization.clone(), subject.clone())];
                let found = store.runs_of_subjects(subjects, RUNS_MAX).await?;
                found.iter().map(|run| run.id).collect()
            }
            RunsOf::Commit(filter) => {
                let page = Page { limit: RUNS_MAX, before: None };
                let found = store.runs(filter.clone(), page).await?;
                found.items.iter().map(|run| run.id).collect()
            }
        };
        keys.extend(runs.into_iter().map(run_key));
        Ok(())
    }

    /// Whether this may have runs that are to be looked up: a decision does not name those that it
    /// has planned.
    pub(super) fn has_new_runs(&self, change: &Change) -> bool {
        let is_of_delivery = matches!(self, Self::Keys(_, Some(RunsOf::Delivery(_))));
        is_of_delivery && change.kind == Kind::Delivery && self.concerns(change)
    }

    /// Whether it is about anything of this kind.
    pub(super) fn has_kind(&self, kind: Kind) -> bool {
        match self {
            Self::Kinds(kinds) => kinds.contains(&kind),
            Self::Keys(..) => true,
        }
    }

    /// Whether it is about what has changed.
    pub(super) fn concerns(&self, change: &Change) -> bool {
        match (self, &change.about) {
            (Self::Kinds(kinds), _) => kinds.contains(&change.kind),
            (Self::Keys(..), None) => true,
            (Self::Keys(keys, _), Some(about)) => about.iter().any(|key| keys.contains(key)),
        }
    }

    /// Remembers the run, if it concerns one: from then on it is about its statuses.
    pub(super) fn remember(&mut self, change: &Change) {
        if let Self::Keys(keys, _) = self
            && change.kind == Kind::Run
        {
            keys.extend(change.id.parse().map(run_key));
        }
    }

    /// Whether the id of a change that it concerns may be told: not where it may be about something
    /// that who watches may not see.
    pub(super) fn may_name(&self, change: &Change) -> bool {
        matches!(self, Self::Kinds(_)) || change.about.is_some()
    }
}

async fn of_run(visit: &Visit, id: RunId) -> Result<About, Problem> {
    let found = visit.state.deps.store.run(id).await?;
    let run = found.ok_or_else(|| visit.missing(Runs::NAME, &id.to_string()))?;
    let (project, repository) = (run.repository.project_key(), &run.repository.id);
    visit.may_read(&run.organization, project, repository).await?;
    Ok(About::Keys([run_key(id)].into(), None))
}

async fn of_page(visit: &Visit, address: Address) -> Result<About, Problem> {
    let Address { organization, project, repository, subject } = address;
    let (organization, row) = visit.repository(&organization, &project, &repository).await?;
    let row = row.ok_or_else(|| visit.missing("repository", &repository))?;
    let repository = row.repository.id;
    let (subjects, runs) = match subject {
        Subject::Commit(commit) => {
            // Deliveries about a commit may be of any repository that has it.
            let everywhere = visit.sees_all().then(|| commit_subject(&commit));
            let subjects = [Some(commit_in(&repository, &commit)), everywhere];
            let filter = RunFilter {
                organization: Some(organization.clone()),
                repository: Some(repository),
                commit: Some(commit),
                ..RunFilter::default()
            };
            (subjects, RunsOf::Commit(filter))
        }
        subject => {
            let subject = subject.of_runs(&repository);
            let subject = subject.ok_or_else(|| visit.missing("page", "/ui/live"))?;
            ([Some(subject.clone()), None], RunsOf::Subject(organization.clone(), subject))
        }
    };
    let keys = subjects.iter().flatten().map(|subject| key(&organization, subject));
    Ok(About::Keys(keys.collect(), Some(runs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "0193a000-0000-7000-8000-000000000001";

    #[test]
    fn pages_say_what_they_are_about() {
        let page = |subject| {
            let (organization, project) = ("fabrikam".into(), "My Shop".into());
            Asked::Page(Address { organization, project, repository: "web".into(), subject })
        };
        let (commit, run) = ("c".repeat(40), RUN.parse().unwrap());
        let below = "/fabrikam/My%20Shop/_git/web";
        for (text, expected) in [
            (BEAT.to_owned(), Asked::Kinds(vec![])),
            (ALL.to_owned(), Asked::Kinds(Kind::ALL.into())),
            ("run".to_owned(), Asked::Kinds(vec![Kind::Run])),
            ("delivery:12".to_owned(), Asked::Delivery(DeliveryId(12))),
            (format!("run:{RUN}"), Asked::Run(run)),
            (format!("{below}/pullrequest/7"), page(Subject::PullRequest(7))),
            (
                format!("{below}?version=GBfeature%2Fa"),
                page(Subject::Ref("refs/heads/feature/a".into())),
            ),
            (format!("{below}?version=GTv1"), page(Subject::Ref("refs/tags/v1".into()))),
            (format!("{below}/commit/{commit}"), page(Subject::Commit(commit))),
        ] {
            assert_eq!(parse(&text), Some(expected), "{text}");
        }
        for text in [
            "tree",
            "run,tree",
            "run,",
            "beat,run",
            "run:",
            "run:12",
            "run:12,run",
            "delivery:x",
            "status:1",
            "/",
            "//[",
            "/fabrikam/Shop/_git/web",
            "/fabrikam/Shop/_git/web/commit/c0ffee",
            "/fabrikam/Shop/_git/web/pullrequest/x",
            "/runs",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    fn change(kind: Kind, id: impl ToString, about: Option<&[i64]>) -> Change {
        Change { kind, id: id.to_string(), about: about.map(<[i64]>::to_vec) }
    }

    #[test]
    fn a_subject_is_told_of_its_deliveries_and_runs_and_of_their_statuses() {
        let of_run = [run_key(RUN.parse().unwrap())];
        let mut about = About::Keys([5].into(), None);
        for (told, expected) in [
            (change(Kind::Delivery, 1, Some(&[5, 6])), true),
            (change(Kind::Delivery, 2, Some(&[6])), false),
            (change(Kind::Delivery, 3, Some(&[])), false),
            (change(Kind::Delivery, 4, None), true),
            (change(Kind::Status, 1, Some(&of_run)), false),
            (change(Kind::Run, RUN, Some(&[6])), false),
            (change(Kind::Run, RUN, Some(&[5])), true),
            (change(Kind::Status, 1, Some(&of_run)), true),
            (change(Kind::Status, 2, Some(&[])), false),
        ] {
            assert_eq!(about.concerns(&told), expected, "{told}");
            assert_eq!(about.may_name(&told), told.about.is_some(), "{told}");
            if expected {
                about.remember(&told);
            }
        }
    }

    #[test]
    fn a_delivery_may_have_new_runs_once_it_is_decided() {
        let of = Some(RunsOf::Delivery(DeliveryId(7)));
        let delivery = About::Keys([7].into(), of);
        assert!(delivery.has_new_runs(&change(Kind::Delivery, 7, Some(&[5, 7]))));
        assert!(delivery.has_new_runs(&change(Kind::Delivery, 7, None)));
        assert!(!delivery.has_new_runs(&change(Kind::Delivery, 8, Some(&[5, 8]))));
        assert!(!delivery.has_new_runs(&change(Kind::Run, RUN, Some(&[5, 7]))));
    }

    #[test]
    fn others_are_told_of_their_kinds() {
        let about = About::Kinds(vec![Kind::Run]);
        let of_anything = change(Kind::Run, RUN, None);
        assert!(about.concerns(&of_anything) && about.may_name(&of_anything));
        assert!(!about.concerns(&change(Kind::Status, 1, None)));
        assert!(about.has_kind(Kind::Run) && !about.has_kind(Kind::Delivery));
    }
}
