//! Connections: who the gateway is at each organization.

use actix_web::HttpResponse;
use askama::Template;

use super::badge::Badge;
use super::cell::{Cell, Facts, Row, Table};
use super::visit::{Visit, part, path_segment};
use crate::credentials::LinkedUser;
use crate::domain::ending::sign_in_ends;
use crate::server::html::{Frame, Twins};
use crate::server::problem::Problem;

#[derive(Template)]
#[template(path = "connections.html")]
struct ConnectionsPage {
    frame: Frame,
    connections: Vec<Connection>,
}

part!(Cards of ConnectionsPage: "connections.html", "cards");

/// One organization.
struct Connection {
    organization: String,
    badge: Badge,
    kind: &'static str,
    facts: Facts,
    problems: Vec<String>,
    /// Where an operator signs the service user in, and the words.
    link: Option<(String, &'static str)>,
    /// What ends, and when.
    endings: Table,
    /// Where an operator unlinks it.
    unlink: Option<String>,
}

/// `GET /ui/connections`.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.parameters.only(&["organization", "part"])?;
    let wanted = visit.parameters.get("organization");
    let mut connections = Vec::new();
    for name in visit.state.organizations.names() {
        if wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(name)) {
            connections.push(connection(&visit, name).await?);
        }
    }
    let twins = Twins {
        api: Some("/v1/organizations".to_owned()),
        command: Some("azdo-gateway permissions check".to_owned()),
    };
    let frame = visit.frame("Connections", "/connections", twins);
    let page = ConnectionsPage { frame, connections };
    Ok(visit.answer(&page, &[("cards", &Cards(&page))]))
}

async fn connection(visit: &Visit, name: &str) -> Result<Connection, Problem> {
    let identities = &visit.state.identities;
    let is_linkable = identities.linking.is_linkable(name);
    let linked = if is_linkable { identities.linking.linked_user(name).await? } else { None };
    let raised = visit.state.deps.health.list();
    let raised: Vec<_> = raised.into_iter().filter(|it| it.organization == name).collect();
    let badge = match &linked {
        None if is_linkable => Badge::bad("Nobody is linked"),
        _ if raised.iter().any(|it| !it.kind.is_warning()) => Badge::bad("Has problems"),
        _ if !raised.is_empty() => Badge::warn("Ends soon"),
        _ => Badge::good("Works, as far as is known"),
    };
    let may_link = is_linkable && visit.may_act().is_ok();
    let link = may_link.then(|| {
        let words = if linked.is_some() { "Link again" } else { "Link a service user" };
        (format!("/connect/{}", path_segment(name)), words)
    });
    let unlink = (may_link && linked.is_some())
        .then(|| visit.href(&format!("/organizations/{}/unlink", path_segment(name))));
    let endings = match &linked {
        Some(linked) => endings(visit, name, linked),
        None => Vec::new(),
    };
    Ok(Connection {
        unlink,
        endings: Table {
            caption: "What ends, and what to do",
            columns: vec!["Ends", "When", "Then", "To do"],
            rows: endings,
        },
        organization: name.to_owned(),
        badge,
        kind: identities.by_organization.get(name).map_or("", |identity| identity.kind),
        facts: linked.map_or(Facts::new(Vec::new()), |linked| facts(visit, &linked)),
        problems: raised.into_iter().map(|it| it.reason).collect(),
        link,
    })
}

fn endings(visit: &Visit, name: &str, linked: &LinkedUser) -> Vec<Row> {
    let moment = |at| Cell::from(visit.moment(at).full());
    let secret = visit.state.identities.linking.client_secret_expires(name);
    let unknown = "not known: client_secret_expires is not set";
    let all = [
        (
            "Sign-in",
            moment(sign_in_ends(linked.signed_in_at)),
            "Azure DevOps refuses the tokens of the account",
            "link again: a person signs in",
        ),
        (
            "Client secret",
            secret.map_or(Cell::text(unknown), moment),
            "tokens cannot be renewed, and statuses wait",
            "make a new one in Entra; two may be set at the same time",
        ),
        ("Refresh token", Cell::text("renews itself"), "", ""),
    ];
    let row = |(number, (what, when, then, remedy)): (usize, (&str, Cell, &str, &str))| {
        let cells = vec![Cell::text(what), when, Cell::text(then), Cell::text(remedy)];
        Row { id: format!("ending-{name}-{number}"), cells }
    };
    all.into_iter().enumerate().map(row).collect()
}

fn facts(visit: &Visit, linked: &LinkedUser) -> Facts {
    let moment = |at| Cell::from(visit.moment(at).full());
    Facts::new(vec![
        ("Service user", Cell::text(&linked.user_name)),
        ("E-mail", Cell::optional(linked.email.as_ref())),
        ("Linked", moment(linked.linked_at)),
        ("Linked by", Cell::text(&linked.linked_by)),
        ("Signed in", moment(linked.signed_in_at)),
        ("Token renewed", moment(linked.refreshed_at)),
        ("Tenant", Cell::Code(linked.tenant_id.clone())),
        ("Problem", Cell::optional(linked.problem.as_ref())),
    ])
}
