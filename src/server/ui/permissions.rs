//! Permissions: what the gateway's identity may do in an organization, and what grants the rest.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::badge::Badge;
use super::cell::{Cell, Facts, Row, Table};
use super::plan::{choices, chosen};
use super::visit::Visit;
use crate::domain::permission::{self, Findings, Probe};
use crate::domain::policy::Verdict;
use crate::server::html::{Frame, Twins, answer};
use crate::server::problem::Problem;

#[derive(Template)]
#[template(path = "permissions.html")]
struct PermissionsPage {
    frame: Frame,
    choose: Vec<(String, String)>,
    looked_at: String,
    seen: Option<Seen>,
}

/// What was found in one organization.
struct Seen {
    badge: Badge,
    facts: Facts,
    problems: Vec<String>,
    permissions: Table,
    /// What grants everything that is missing.
    commands: Vec<String>,
    probes: Table,
    policies: Table,
}

/// `GET /ui/permissions`. Asks Azure DevOps.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Problem> {
    let chosen = chosen(&visit)?;
    let findings = match &chosen {
        Some(organization) => visit.state.surveys.survey(&organization.0).await,
        None => None,
    };
    let name = chosen.as_ref().map(|organization| organization.0.as_str());
    let twins = Twins {
        api: name.map(|name| visit_query("/v1/permissions", name)),
        command: name.map(|name| format!("azdo-gateway permissions check {name}")),
    };
    let title = name.map_or("Permissions".to_owned(), |name| format!("Permissions in {name}"));
    let page = PermissionsPage {
        frame: visit.frame(title, "/permissions", twins),
        choose: choices(&visit, "/permissions"),
        looked_at: visit.moment(visit.state.deps.clock.now()).absolute(),
        seen: findings.as_ref().map(seen),
    };
    Ok(answer(StatusCode::OK, &page))
}

fn visit_query(path: &str, organization: &str) -> String {
    format!("{path}{}", super::visit::query([("organization", organization)].into_iter()))
}

fn seen(findings: &Findings) -> Seen {
    let missing = findings.permissions.iter().filter(|row| row.is_missing()).count();
    let identity = findings.identity.as_ref();
    let badge = match (identity, missing, findings.problems.is_empty()) {
        (None, ..) => Badge::bad("Cannot sign in"),
        (_, 0, true) => Badge::good("Nothing is missing"),
        (_, 0, false) => Badge::warn("Not all was looked at"),
        _ => Badge::bad("Permissions are missing"),
    };
    let mut commands: Vec<String> = Vec::new();
    for row in findings.permissions.iter().filter(|row| row.is_missing()) {
        // One command may grant several.
        match findings.grant_line(row) {
            Some(line) if !commands.contains(&line) => commands.push(line),
            _ => {}
        }
    }
    Seen {
        badge,
        facts: Facts::new(vec![
            ("Signs in as", Cell::optional(identity.map(|it| &it.display_name))),
            ("Account", Cell::optional(identity.and_then(|it| it.account.as_ref()))),
            ("By", Cell::text(findings.kind)),
            ("Missing", Cell::text(format!("{missing} of {}", findings.permissions.len()))),
        ]),
        problems: findings.problems.clone(),
        permissions: Table {
            caption: "Permissions that the checks need",
            columns: vec!["Has", "Permission", "Where", "What for"],
            rows: findings.permissions.iter().enumerate().map(permission).collect(),
        },
        commands,
        probes: Table {
            caption: "Statuses that were tried",
            columns: vec!["Probe", "Where", "Answer"],
            rows: findings.probes.iter().enumerate().map(probe).collect(),
        },
        policies: Table {
            caption: "Required checks",
            columns: vec!["Merging", "Check", "Where", "Branches", "Why"],
            rows: findings.policies.iter().enumerate().map(policy).collect(),
        },
    }
}

fn permission((number, row): (usize, &permission::Row)) -> Row {
    let needed = &row.needed;
    let badge = match (row.has, needed.permission.is_optional) {
        (true, _) => Badge::good("yes"),
        (false, true) => Badge::none("not needed"),
        (false, false) => Badge::bad("missing"),
    };
    let at = match &needed.repository {
        Some(repository) => format!("{}/{repository}", needed.project),
        None => needed.project.clone(),
    };
    let cells = vec![
        Cell::Badge(badge),
        Cell::text(needed.permission.name),
        Cell::cut(&at),
        Cell::text(needed.permission.purpose),
    ];
    Row { id: format!("permission-{number}"), cells }
}

fn probe((number, probe): (usize, &Probe)) -> Row {
    let badge = match probe.allowed {
        Some(true) => Badge::good("taken"),
        Some(false) => Badge::bad("refused"),
        None => Badge::none("not tried"),
    };
    let at = format!("{}/{}", probe.project, probe.repository);
    let cells = vec![Cell::Badge(badge), Cell::cut(&at), Cell::text(&probe.detail)];
    Row { id: format!("probe-{number}"), cells }
}

fn policy((number, verdict): (usize, &Verdict)) -> Row {
    let badge = match verdict.problem {
        None => Badge::good("waits for it"),
        Some(_) => Badge::bad("does not wait"),
    };
    let cells = vec![
        Cell::Badge(badge),
        Cell::cut(&verdict.context),
        Cell::cut(&format!("{}/{}", verdict.project, verdict.repository)),
        Cell::text(verdict.branches.as_deref().unwrap_or("every branch")),
        Cell::optional(verdict.problem.as_ref()),
    ];
    Row { id: format!("policy-{number}"), cells }
}
