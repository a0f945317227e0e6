//! CI systems: what the gateway can ask of each, and how it goes with one.

use actix_web::HttpResponse;
use actix_web::web::Path;
use askama::Template;

use super::badge::Badge;
use super::cell::{Cell, Facts, Row, Table};
use super::plots::{Plot, of_ci};
use super::runs;
use super::visit::{Visit, part, path_segment};
use crate::health::ProblemKind;
use crate::server::html::{Frame, Twins};
use crate::server::problem::Problem;
use crate::storage::{CiPause, PROBLEM_SHOWN_FOR, Page, ProblemRow, RunFilter};

#[derive(Template)]
#[template(path = "ci.html")]
struct CiPage {
    frame: Frame,
    systems: Table,
    /// Accounts that are not called for a while.
    pauses: Table,
}

part!(Cards of CiPage: "ci.html", "cards");

/// `GET /ui/ci`.
pub(super) async fn list(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.parameters.only(&["part"])?;
    let can = |ability| if ability { Badge::good("yes") } else { Badge::none("no") };
    let systems = visit.state.observe.systems().listed().enumerate();
    let rows = systems.map(|(number, one)| {
        let cells = vec![
            Cell::cut(one.name).at(visit.href(&format!("/ci/{}", path_segment(one.name)))),
            Cell::text(one.kind),
            Cell::Badge(can(one.abilities.finds)),
            Cell::Badge(can(one.abilities.polls)),
            Cell::Badge(can(one.abilities.cancels)),
            Cell::Badge(can(one.takes_callbacks)),
        ];
        Row { id: format!("ci-{number}"), cells }
    });
    let rows = rows.collect();
    let pauses = visit.state.deps.store.ci_pauses(visit.now).await?;
    let pause = |(number, pause): (usize, CiPause)| {
        let cells = vec![
            Cell::cut(&pause.account),
            visit.moment(pause.until).into(),
            Cell::cut(&pause.reason),
        ];
        Row { id: format!("pause-{number}"), cells }
    };
    let twins =
        Twins { api: Some("/v1/ci".to_owned()), command: Some("azdo-gateway ci list".to_owned()) };
    let page = CiPage {
        frame: visit.frame("CI systems", "/ci", twins),
        systems: Table {
            caption: "CI systems",
            columns: vec![
                "Name",
                "Kind",
                "Starts in doubt are looked up",
                "Asked how runs are",
                "Told to cancel",
                "Calls back",
            ],
            rows,
        },
        pauses: Table {
            caption: "Accounts that are not called for a while",
            columns: vec!["Account", "Until", "Reason"],
            rows: pauses.into_iter().enumerate().map(pause).collect(),
        },
    };
    Ok(visit.answer(&page, &[("cards", &Cards(&page))]))
}

/// Runs of the CI that are shown.
const RUNS_MAX: usize = 20;

/// What the CI answers when it is asked.
struct Finding {
    badge: Badge,
    what: String,
    help: String,
}

#[derive(Template)]
#[template(path = "ci_system.html")]
struct SystemPage {
    frame: Frame,
    badge: Badge,
    problem: Option<(String, Cell)>,
    facts: Facts,
    /// Where one asks it, and runs again what it did not start.
    ask: Option<String>,
    rerun: Option<String>,
    findings: Option<Vec<Finding>>,
    plots: Vec<Plot>,
    newest: Table,
    runs: String,
}

/// `GET /ui/ci/{name}`. With `look=now` the CI is asked, which starts nothing.
pub(super) async fn show(visit: Visit, path: Path<String>) -> Result<HttpResponse, Problem> {
    visit.parameters.only(&["look"])?;
    let systems = visit.state.observe.systems();
    let found = systems.listed().find(|one| one.name == path.as_str());
    let one = found.ok_or_else(|| visit.missing("CI", &path))?;
    let looks = visit.parameters.parse_with("look", "now", |text| (text == "now").then_some(()))?;
    let findings = match looks {
        Some(()) => Some(ask(&visit, one.name).await?),
        None => None,
    };
    let seen_after = visit.now.minus(PROBLEM_SHOWN_FOR);
    let problems = visit.state.deps.store.problems(seen_after).await?;
    let is_of_it = |row: &ProblemRow| {
        ProblemKind::parse(&row.key.1) == Some(ProblemKind::Ci) && row.key.2 == one.name
    };
    let problem = problems.into_iter().find(is_of_it);
    let filter = RunFilter { ci: Some(one.name.to_owned()), ..RunFilter::default() };
    let page = Page { limit: RUNS_MAX, before: None };
    let newest = visit.state.deps.store.runs(filter, page).await?.items;
    let name = one.name.to_owned();
    let can = |ability| if ability { "yes" } else { "no" };
    let errored = [("ci", name.as_str()), ("state", "errored")];
    let rerun = problem.is_some() && visit.may_act().is_ok();
    let twins = Twins {
        api: Some("/v1/ci".to_owned()),
        command: Some(format!("azdo-gateway ci check {name}")),
    };
    let page = SystemPage {
        frame: visit.frame(format!("CI {name}"), "/ci", twins),
        badge: match &problem {
            Some(_) => Badge::bad("Refuses"),
            None => Badge::good("No problem is known"),
        },
        problem: problem.map(|row| (row.reason, visit.moment(row.since).into())),
        facts: Facts::new(vec![
            ("Kind", Cell::text(one.kind)),
            ("Starts in doubt are looked up", Cell::text(can(one.abilities.finds))),
            ("Asked how runs are", Cell::text(can(one.abilities.polls))),
            ("Told to cancel", Cell::text(can(one.abilities.cancels))),
            ("Calls back", Cell::text(can(one.takes_callbacks))),
        ]),
        ask: visit
            .may_act()
            .is_ok()
            .then(|| visit.filtered(&format!("/ci/{}", path_segment(&name)), &[("look", "now")])),
        rerun: rerun.then(|| visit.filtered("/runs/rerun", &errored)),
        findings,
        plots: of_ci(&visit, &name).await?,
        runs: visit.filtered("/runs", &[("ci", &name)]),
        newest: Table {
            caption: "The newest runs at this CI",
            columns: runs::COLUMNS.to_vec(),
            rows: newest.iter().map(|run| runs::row(&visit, run)).collect(),
        },
    };
    Ok(visit.answer(&page, &[]))
}

async fn ask(visit: &Visit, name: &str) -> Result<Vec<Finding>, Problem> {
    visit.may_act()?;
    let findings = visit.state.observe.systems().check(name).await;
    let findings = findings.map_err(|_| visit.missing("CI", name))?;
    let findings = findings.into_iter().map(|it| Finding {
        badge: if it.help.is_some() { Badge::bad("problem") } else { Badge::good("right") },
        what: it.what,
        help: it.help.unwrap_or_default(),
    });
    Ok(findings.collect())
}
