//! Cancelling a run, running one again, and running many again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Path;
use uuid::Uuid;

use super::cell::{Cell, Facts, Table};
use super::confirm::{Confirm, Sent, incomplete};
use super::runs::{COLUMNS, row, subject};
use super::visit::Visit;
use crate::domain::event::short;
use crate::domain::id::RunId;
use crate::domain::run::{self, Advance, Run, State};
use crate::domain::run_keys;
use crate::domain::status;
use crate::server::actions::finish;
use crate::server::api::resource::Resource;
use crate::server::api::runs::{Runs, filter};
use crate::server::problem::Problem;
use crate::storage::Page;

/// The field with the id of the run that a form plans.
const NEW: &str = "new";
/// Runs that are run again at once.
const BULK_MAX: usize = 200;
/// Runs of each pull request or branch among which the newest of each check are.
const NEWEST_MAX: usize = 20;

/// `GET /ui/runs/{id}/cancel`.
pub(super) async fn confirm_cancel(
    visit: Visit,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let run = load(&visit, &path).await?;
    let mut page = confirm(&visit, "Cancel", &run);
    let ended = run::end(&run, State::Cancelled, by(&visit), visit.now);
    match ended {
        Advance::To(next) => {
            let shown = status::of(&next).into_iter().next().map_or_else(
                || "Azure DevOps shows nothing of this check.".to_owned(),
                |shown| {
                    let state = shown.state.as_str();
                    format!("Azure DevOps will show {state}: {}.", shown.description)
                },
            );
            let at_ci = match run.state {
                State::Planned => format!("{} will not be asked to start it.", run.ci),
                _ => format!("{} is told to stop it, where it can be told.", run.ci),
            };
            let waits = "Where the check is required, merging waits until it has run again.".into();
            page.consequences = vec![shown, at_ci, waits];
        }
        Advance::Not(why) => page.refused = Some(why),
    }
    page.undo = "It is undone by running it again.".to_owned();
    page.button = "Cancel this run".to_owned();
    page.is_grave = true;
    Ok(page.show())
}

/// `POST /ui/runs/{id}/cancel`.
pub(super) async fn cancel(visit: Visit, path: Path<String>) -> Result<HttpResponse, Problem> {
    let run = load(&visit, &path).await?;
    let of_run = format!("/runs/{}", run.id);
    let done = visit.state.actions.cancel(&visit.session.actor, run.id).await;
    let is_cancelled = match &done {
        Ok(_) => true,
        Err(_) => load(&visit, &path).await?.state == State::Cancelled,
    };
    if is_cancelled { Ok(visit.see(&of_run)) } else { done.map(|_| visit.see(&of_run)) }
}

/// `GET /ui/runs/{id}/rerun`.
pub(super) async fn confirm_rerun(
    visit: Visit,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let run = load(&visit, &path).await?;
    let mut page = confirm(&visit, "Run again", &run);
    let new = run::rerun(&run, RunId(Uuid::now_v7()), &visit.session.actor.name, visit.now);
    let starts = format!("{} is asked to run {} on {}.", new.ci, new.check, short(&new.commit));
    let before = match run::supersede(&run, &new, visit.now) {
        Advance::To(ended) => format!("The run that goes on ends: {}.", ended.reason),
        Advance::Not(_) => {
            format!("The run that {} stays as it is.", run.state.as_str().replace('_', " "))
        }
    };
    let shown = status::of(&new).into_iter().next().map(|shown| {
        format!("Azure DevOps will show {}: {}.", shown.state.as_str(), shown.description)
    });
    page.consequences = [Some(starts), Some(before), shown].into_iter().flatten().collect();
    page.undo = "It is undone by cancelling the new run.".to_owned();
    page.carried = vec![(NEW.to_owned(), new.id.to_string())];
    page.button = "Run it again".to_owned();
    Ok(page.show())
}

/// `POST /ui/runs/{id}/rerun`.
pub(super) async fn rerun(
    visit: Visit,
    path: Path<String>,
    sent: Sent,
) -> Result<HttpResponse, Problem> {
    let run = load(&visit, &path).await?;
    let new = sent.get(NEW).and_then(|text| text.parse().ok()).ok_or_else(incomplete)?;
    let planned = visit.state.actions.rerun(&visit.session.actor, run.id, new).await?;
    Ok(visit.see(&format!("/runs/{}", planned.id)))
}

/// `GET /ui/runs/rerun`: of the runs that the filters select the newest of each check and subject.
pub(super) async fn confirm_rerun_all(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.may_act()?;
    let newest = newest(&visit).await?;
    let mut page = Confirm::new(&visit, "Run these again", "/runs");
    page.consequences = vec![
        format!(
            "Each of these {} runs is planned again; one that goes on is superseded.",
            newest.len()
        ),
        "Of several runs of one check on the same pull request or branch only the newest runs \
         again."
            .to_owned(),
    ];
    if newest.is_empty() {
        page.refused = Some("no run matches the filters".to_owned());
    }
    page.table = Some(Table {
        caption: "Runs that run again",
        columns: COLUMNS.to_vec(),
        rows: newest.iter().map(|run| row(&visit, run)).collect(),
    });
    let carried = newest.iter().map(|run| (run.id.to_string(), Uuid::now_v7().to_string()));
    page.carried = carried.collect();
    page.undo = "It is undone by cancelling each new run.".to_owned();
    page.button = format!("Run {} again", newest.len());
    Ok(page.show())
}

/// `POST /ui/runs/rerun`.
pub(super) async fn rerun_all(visit: Visit, sent: Sent) -> Result<HttpResponse, Problem> {
    visit.may_act()?;
    let pairs: HashMap<RunId, RunId> = sent
        .iter()
        .map(|(id, new)| Some((id.parse().ok()?, new.parse().ok()?)))
        .collect::<Option<_>>()
        .ok_or_else(incomplete)?;
    if pairs.is_empty() || pairs.len() > BULK_MAX {
        return Err(incomplete());
    }
    let (actions, actor) = (Arc::clone(&visit.state.actions), visit.session.actor.clone());
    let all = async move {
        for (id, new) in pairs {
            match actions.rerun(&actor, id, new).await {
                // It is older than the retention by now.
                Err(problem) if problem.is_missing() => {}
                planned => drop(planned?),
            }
        }
        Ok(())
    };
    finish(all).await?;
    // The new runs are the first ones there.
    Ok(visit.see("/runs"))
}

async fn newest(visit: &Visit) -> Result<Vec<Run>, Problem> {
    visit.check::<Runs>()?;
    if visit.parameters.among(Runs::FILTERS).is_empty() {
        let why = "give at least one filter: without one every run would run again";
        return Err(Problem::bad_request(why));
    }
    let page = Page { limit: BULK_MAX, before: None };
    let found = visit.state.deps.store.runs(filter(&visit.parameters)?, page).await?.items;
    let of = |run: &Run| (run.organization.clone(), run_keys::subject(run));
    let subjects: BTreeSet<_> = found.iter().map(of).collect();
    let store = &visit.state.deps.store;
    let newest = store.runs_of_subjects(subjects.into_iter().collect(), NEWEST_MAX).await?;
    let same = |run: &Run| (run_keys::check_key(run), run_keys::subject(run));
    let is_newest = |run: &Run| {
        let mut others = newest.iter().filter(|other| same(other) == same(run));
        others.all(|other| other.number <= run.number)
    };
    let is_known = |run: &Run| newest.iter().any(|other| other.id == run.id);
    Ok(found.into_iter().filter(|run| is_known(run) && is_newest(run)).collect())
}

async fn load(visit: &Visit, path: &str) -> Result<Run, Problem> {
    visit.parameters.only(&[])?;
    let missing = || visit.missing(Runs::NAME, path);
    let id = path.parse().map_err(|_| missing())?;
    let run = visit.state.deps.store.run(id).await?.ok_or_else(missing)?;
    visit.may_act_on(&run).await?;
    Ok(run)
}

fn by(visit: &Visit) -> String {
    format!("by {}", visit.session.actor.name)
}

fn confirm(visit: &Visit, what: &str, run: &Run) -> Confirm {
    let mut page =
        Confirm::new(visit, format!("{what}: {} on {}", run.check, subject(run)), "/runs");
    page.facts = Facts::new(vec![
        ("State", Cell::Badge(run.state.into())),
        ("Why it runs", Cell::text(&run.reason)),
        ("Commit", Cell::Code(run.commit.clone())),
        ("CI", Cell::text(&run.ci)),
        ("Planned", visit.moment(run.created_at).full().into()),
    ]);
    page.back = visit.href(&format!("/runs/{}", run.id));
    page
}
