//! The audit log, and the page of one entry.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Path;
use askama::Template;

use super::badge::Badge;
use super::cell::{Cell, Facts, Row};
use super::list::List;
use super::visit::{Visit, query};
use crate::domain::audit::{Action, Entry, Outcome};
use crate::server::api::audit::{Audit, filter};
use crate::server::api::paging::cursor;
use crate::server::api::resource::Resource;
use crate::server::html::{self, Frame, Twins, answer};
use crate::server::problem::Problem;
use crate::storage::{AuditRow, Page};

/// `GET /ui/audit`.
pub(super) async fn list(visit: Visit, page: Page) -> Result<HttpResponse, Problem> {
    visit.check::<Audit>()?;
    let found = visit.state.deps.store.audit(filter(&visit.parameters)?, page).await?;
    let words = |action: &Action| action.as_str();
    Ok(visit.list::<Audit>(List {
        title: "Audit",
        path: "/audit",
        command: None,
        fields: vec![
            visit.organization_field(),
            visit.choice("action", "Action", Action::ALL.iter().map(words)),
            visit.choice("outcome", "Outcome", Outcome::ALL.iter().map(|it| it.as_str())),
            visit.field("actor", "Who"),
            visit.field("run", "Run"),
            visit.field("pat", "Token"),
        ],
        columns: vec!["Outcome", "Action", "At", "Who", "Organization", "Run", "What"],
        rows: found.items.iter().map(|entry| row(&visit, entry)).collect(),
        next: found.next,
        empty: "Nothing was done yet, neither by the gateway at Azure DevOps nor by people here.",
        csv: Some("/audit.csv"),
    }))
}

const CSV_COLUMNS: [&str; 12] = [
    "id",
    "at",
    "outcome",
    "action",
    "actor",
    "via",
    "organization",
    "identity",
    "run",
    "pat",
    "scope",
    "detail",
];

/// `GET /ui/audit.csv`: the same rows, for a spreadsheet (RFC 4180). Where older ones may follow,
/// the last line says so in its last column, which is the one with text for people.
pub(super) async fn csv(visit: Visit, page: Page) -> Result<HttpResponse, Problem> {
    visit.check::<Audit>()?;
    let found = visit.state.deps.store.audit(filter(&visit.parameters)?, page).await?;
    let names = CSV_COLUMNS.join(",") + "\r\n";
    let mut body = found.items.iter().fold(names, |body, row| body + &line(row));
    if let Some(next) = found.next {
        body += &(",".repeat(CSV_COLUMNS.len() - 1) + &quoted(&older(&visit, next)) + "\r\n");
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8"));
    let to_file = "attachment; filename=\"audit.csv\"";
    response.insert_header((header::CONTENT_DISPOSITION, to_file));
    Ok(html::protect(response).body(body))
}

/// What the last line of a file says that has not all entries.
fn older(visit: &Visit, next: i64) -> String {
    let next = cursor(next);
    let set = visit.parameters.among(&[Audit::FILTERS, &["limit"]].concat());
    let pairs = set.iter().map(|(name, value)| (*name, value.as_str()));
    let query = query(pairs.chain([("cursor", next.as_str())]));
    let path = visit.href(&format!("/audit.csv{query}"));
    let url = visit.state.deps.public_url.join(&path).map_or(path, String::from);
    format!("older entries are not in this file: go on with {url}")
}

fn line(row: &AuditRow) -> String {
    let entry = &row.entry;
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let values: [String; CSV_COLUMNS.len()] = [
        row.id.to_string(),
        entry.at.to_string(),
        entry.outcome.as_str().to_owned(),
        entry.action.as_str().to_owned(),
        entry.actor.clone(),
        entry.via.as_str().to_owned(),
        entry.organization.clone(),
        optional(&entry.identity),
        entry.run.map(|run| run.to_string()).unwrap_or_default(),
        optional(&entry.pat),
        optional(&entry.scope),
        entry.detail.clone(),
    ];
    values.map(|value| quoted(&value)).join(",") + "\r\n"
}

/// A spreadsheet must not take for a formula what somebody has written.
fn quoted(value: &str) -> String {
    let guard = if value.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", value.replace('"', "\"\""))
}

fn row(visit: &Visit, row: &AuditRow) -> Row {
    let entry = &row.entry;
    let cells = vec![
        Cell::Badge(entry.outcome.into()).at(visit.href(&format!("/audit/{}", row.id))),
        Cell::text(entry.action.as_str().replace('_', " ")),
        visit.moment(entry.at).into(),
        Cell::cut(&who(entry)),
        Cell::text(&entry.organization),
        run(visit, entry),
        Cell::cut(&entry.detail),
    ];
    Row { id: format!("entry-{}", row.id), cells }
}

/// `ops by api token`.
fn who(entry: &Entry) -> String {
    let via = entry.via.as_str().replace('_', " ");
    if entry.actor == via { via } else { format!("{} by {via}", entry.actor) }
}

fn run(visit: &Visit, entry: &Entry) -> Cell {
    let run = entry.run.map(|run| {
        let id = run.to_string();
        Cell::text("run").at(visit.href(&format!("/runs/{id}")))
    });
    run.unwrap_or(Cell::Nothing)
}

#[derive(Template)]
#[template(path = "entry.html")]
struct EntryPage {
    frame: Frame,
    badge: Badge,
    facts: Facts,
}

/// `GET /ui/audit/{id}`.
pub(super) async fn show(visit: Visit, path: Path<String>) -> Result<HttpResponse, Problem> {
    visit.parameters.only(&[])?;
    let missing = || visit.missing(Audit::NAME, &path);
    let id = path.parse().map_err(|_| missing())?;
    let entry = visit.state.deps.store.audit_entry(id).await?.ok_or_else(missing)?.entry;
    let twins = Twins { api: Some(format!("{}/{id}", Audit::PATH)), command: None };
    let code = |text: &Option<String>| text.clone().map_or(Cell::Nothing, Cell::Code);
    let pat = entry
        .pat
        .as_ref()
        .map(|pat| Cell::Code(pat.clone()).at(visit.filtered("/audit", &[("pat", pat.as_str())])));
    let lifetime = entry.lifetime_s.map(|seconds| format!("{seconds} s"));
    let title = format!("Audit entry {id}: {}", entry.action.as_str().replace('_', " "));
    let page = EntryPage {
        frame: visit.frame(title, "/audit", twins),
        badge: entry.outcome.into(),
        facts: Facts::new(vec![
            ("At", visit.moment(entry.at).full().into()),
            ("Who", Cell::text(who(&entry))),
            ("What", Cell::text(&entry.detail)),
            ("Organization", Cell::text(&entry.organization)),
            ("With the rights of", Cell::optional(entry.identity.as_ref())),
            ("Scope", code(&entry.scope)),
            ("Lifetime", Cell::optional(lifetime.as_ref())),
            ("Token", pat.unwrap_or(Cell::Nothing)),
            ("Run", run(&visit, &entry)),
            ("Request at Azure DevOps", code(&entry.activity_id)),
        ]),
    };
    Ok(answer(StatusCode::OK, &page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_a_formula_or_ends_its_cell() {
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(quoted("=1+1"), "\"'=1+1\"");
    }
}
