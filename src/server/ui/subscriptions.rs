//! Subscriptions as a grid: a row for each project, a column for each kind of event.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use askama::Template;

use super::badge::Badge;
use super::cell::{Cell, Row, Table};
use super::visit::{Visit, part, path_segment, query};
use crate::domain::subscription::Topic;
use crate::reconcile::organization::OrganizationReconcilers;
use crate::server::api::paging::cursor;
use crate::server::api::resource::Resource;
use crate::server::api::subscriptions::{Subscriptions, filter};
use crate::server::html::{Frame, Twins};
use crate::server::problem::Problem;
use crate::storage::{Page, SubscriptionRow};

#[derive(Template)]
#[template(path = "subscriptions.html")]
struct SubscriptionsPage {
    frame: Frame,
    passes: Vec<Pass>,
    grid: Table,
    older: Option<String>,
}

part!(Reconciles of SubscriptionsPage: "subscriptions.html", "reconciles");
part!(Matrix of SubscriptionsPage: "subscriptions.html", "matrix");

/// What the last pass over the hooks of an organization came to.
struct Pass {
    organization: String,
    at: Cell,
    changes: u32,
    goes_on: bool,
    problem: Option<String>,
    is_managed: bool,
    /// What people can do: addresses and words.
    actions: Vec<(String, &'static str)>,
}

/// `GET /ui/subscriptions`.
pub(super) async fn grid(visit: Visit, page: Page) -> Result<HttpResponse, Problem> {
    visit.check::<Subscriptions>()?;
    let wanted = filter(&visit.parameters)?;
    let organization = wanted.organization.clone();
    let found = visit.state.deps.store.subscriptions(wanted, page).await?;
    let mut passes = Vec::new();
    for name in visit.state.organizations.names() {
        let is_wanted = organization.as_ref().is_none_or(|it| it.eq_ignore_ascii_case(name));
        if let Some(reconcilers) = visit.state.reconcilers.get(name)
            && is_wanted
        {
            passes.push(pass(&visit, reconcilers).await?);
        }
    }
    let filters = organization.iter().map(|name| ("organization", name.as_str()));
    let flag = organization.iter().map(|name| format!(" --organization {name}"));
    let twins = Twins {
        api: Some(format!("{}{}", Subscriptions::PATH, query(filters.clone()))),
        command: Some(format!("azdo-gateway hooks list{}", flag.collect::<String>())),
    };
    let cursor = found.next.map(cursor);
    let older = cursor.as_deref().map(|cursor| {
        let pairs = filters.chain([("cursor", cursor)]);
        visit.href(&format!("/subscriptions{}", query(pairs)))
    });
    let page = SubscriptionsPage {
        frame: visit.frame("Subscriptions", "/subscriptions", twins),
        passes,
        grid: table(&visit, &found.items),
        older,
    };
    Ok(visit.answer(&page, &[("reconciles", &Reconciles(&page)), ("matrix", &Matrix(&page))]))
}

async fn pass(visit: &Visit, reconcilers: &OrganizationReconcilers) -> Result<Pass, Problem> {
    let last = reconcilers.subscriptions.last().await?;
    Ok(Pass {
        actions: actions(visit, &reconcilers.organization),
        organization: reconcilers.organization.clone(),
        at: last.as_ref().map_or(Cell::text("not yet"), |last| visit.moment(last.at).into()),
        changes: last.as_ref().map_or(0, |last| last.changes),
        goes_on: last.as_ref().is_some_and(|last| last.has_more),
        problem: last.and_then(|last| last.problem),
        is_managed: reconcilers.subscriptions.reconciler.is_managed(),
    })
}

fn actions(visit: &Visit, name: &str) -> Vec<(String, &'static str)> {
    let plan = visit.filtered("/subscriptions/plan", &[("organization", name)]);
    let of = |what: &str| visit.href(&format!("/organizations/{}/{what}", path_segment(name)));
    let mut actions = vec![(plan, "Make a plan")];
    if visit.may_act().is_ok() {
        actions.push((of("catch-up"), "Look for missed events…"));
        actions.push((of("rotate"), "Give new secrets…"));
        actions.push((of("remove"), "Remove the hooks…"));
    }
    actions
}

fn table(visit: &Visit, found: &[SubscriptionRow]) -> Table {
    let mut rows: BTreeMap<(&str, &str), Vec<&SubscriptionRow>> = BTreeMap::new();
    for row in found {
        let project = row.project.as_deref().or(row.found.project_id.as_deref());
        let key = (row.organization.as_str(), project.unwrap_or("all projects"));
        rows.entry(key).or_default().push(row);
    }
    let topics: Vec<Topic> = Topic::ALL
        .into_iter()
        .filter(|topic| found.iter().any(|row| row.found.topic == *topic))
        .collect();
    let columns = topics.iter().map(|topic| column(*topic));
    let rendered = |(number, ((organization, project), subscriptions)): (usize, (_, Vec<_>))| {
        let cells = topics.iter().map(|topic| cell(visit, &subscriptions, *topic));
        let names = [Cell::text(organization), Cell::cut(project)];
        Row { id: format!("project-{number}"), cells: names.into_iter().chain(cells).collect() }
    };
    Table {
        caption: "Subscriptions by project and kind of event",
        columns: ["Organization", "Project"].into_iter().chain(columns).collect(),
        rows: rows.into_iter().enumerate().map(rendered).collect(),
    }
}

pub(super) fn column(topic: Topic) -> &'static str {
    match topic {
        Topic::Pushes => "Pushes",
        Topic::PullRequestsCreated => "PRs created",
        Topic::PullRequestsUpdated => "PRs updated",
        Topic::Comments => "Comments",
        Topic::BuildsCompleted => "Builds",
    }
}

/// What there is of a project for one kind of event.
fn cell(visit: &Visit, subscriptions: &[&SubscriptionRow], topic: Topic) -> Cell {
    let of_topic = subscriptions.iter().filter(|row| row.found.topic == topic);
    let lines: Vec<Cell> = of_topic
        .flat_map(|row| {
            let delivered = row
                .last_delivery_at
                .map_or(Cell::text("no delivery yet"), |at| Cell::from(visit.moment(at)));
            // What the plan keeps needs no words.
            let why = if row.action == "keep" { Cell::Nothing } else { Cell::cut(&row.reason) };
            let lines = [Cell::Badge(row.found.state.into()), delivered, why];
            lines.into_iter().filter(|cell| !matches!(cell, Cell::Nothing))
        })
        .collect();
    if lines.is_empty() { Cell::Badge(Badge::none("None")) } else { Cell::Lines(lines) }
}
