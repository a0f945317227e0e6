//! Connections: who the gateway is at each organization.

use std::time::Duration;

use actix_web::HttpResponse;
use askama::Template;

use super::badge::Badge;
use super::cell::{Cell, Facts, Row, Table};
use super::visit::{Visit, part, path_segment};
use crate::credentials::LinkedUser;
use crate::domain::ending::sign_in_ends;
use crate::domain::subscription::HookName;
use crate::series::minute;
use crate::server::html::{Frame, Twins};
use crate::server::problem::Problem;
use crate::storage::{Page, SubscriptionFilter, SubscriptionRow};

const HOUR: Duration = Duration::from_secs(3_600);
/// Subscriptions that are read at once.
const SUBSCRIPTIONS_MAX: usize = 500;

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
    let mut endings = match &linked {
        Some(linked) => endings(visit, name, linked),
        None => Vec::new(),
    };
    endings.extend(previous_key(visit, name).await?);
    let mut facts = linked.map_or(Vec::new(), |linked| facts(visit, &linked));
    if is_linkable {
        let tokens = tokens(visit, name).await?;
        facts.push(("Tokens in the last hour", Cell::optional(tokens.as_ref())));
    }
    facts.push(("Rate limit left", Cell::text(rate_limit(visit, name))));
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
        facts: Facts::new(facts),
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

/// What depends on a root key that is not the current one, or that nothing does.
async fn previous_key(visit: &Visit, name: &str) -> Result<Option<Row>, Problem> {
    let keys = &visit.state.deps.keys;
    let count = hooks_of_other_keys(visit, name).await?;
    let uses = match count {
        0 if keys.previous.is_none() => return Ok(None),
        0 => "no hook uses it".to_owned(),
        1 => "one hook uses it".to_owned(),
        count => format!("{count} hooks use it"),
    };
    let (then, remedy) = match (count, &keys.previous) {
        (0, _) => ("", "take it out once the runs have ended that were started with it"),
        (_, Some(_)) => ("without it their deliveries are refused", "wait until the plan is empty"),
        (_, None) => ("it is not configured: their deliveries are refused", "apply a plan"),
    };
    let cells = [Cell::text("Previous root key"), Cell::text(uses)];
    let cells = cells.into_iter().chain([Cell::text(then), Cell::text(remedy)]).collect();
    Ok(Some(Row { id: format!("ending-{name}-key"), cells }))
}

/// Hooks at Azure DevOps, as last seen, whose secret comes from another root key than the current
/// one: their names tell.
async fn hooks_of_other_keys(visit: &Visit, name: &str) -> Result<usize, Problem> {
    let filter = SubscriptionFilter { organization: Some(name.to_owned()) };
    let is_of_other_key = |row: &SubscriptionRow| {
        HookName::parse(&row.hook).is_some_and(|hook| {
            let untagged = HookName::untagged(&hook.hook_scope, hook.generation);
            hook.tag != visit.state.deps.keys.hook_tag(name, &untagged)
        })
    };
    let mut page = Page { limit: SUBSCRIPTIONS_MAX, before: None };
    let mut count = 0;
    loop {
        let found = visit.state.deps.store.subscriptions(filter.clone(), page).await?;
        count += found.items.iter().filter(|row| is_of_other_key(row)).count();
        page.before = found.next;
        if found.next.is_none() {
            return Ok(count);
        }
    }
}

/// What is left at Azure DevOps, as far as this replica was told.
fn rate_limit(visit: &Visit, name: &str) -> String {
    match visit.state.deps.throttle.left(name, visit.now) {
        Some((remaining, share)) => format!("{remaining:.0} TSTU, {:.0} %", share * 100.0),
        None => "Azure DevOps has not said lately: it says so when little is left".to_owned(),
    }
}

/// How many tokens were minted, and revoked or not. A process stores a minute when it is over.
async fn tokens(visit: &Visit, name: &str) -> Result<Option<String>, Problem> {
    let [minted, revoked] = ["minted", "revoked"].map(|series| format!("{series}/{name}"));
    let hour = minute(visit.now).minus(HOUR);
    let rows = visit.state.deps.store.hours(vec![minted.clone(), revoked.clone()], vec![hour]);
    let rows = rows.await?;
    let sum =
        |series: &str| rows.iter().filter(|row| row.series == series).map(|row| row.sum).sum();
    let (minted, revoked): (i64, i64) = (sum(&minted), sum(&revoked));
    Ok((!rows.is_empty()).then(|| {
        let left = minted.saturating_sub(revoked).max(0);
        format!("{minted} minted, {revoked} revoked, {left} left")
    }))
}

fn facts(visit: &Visit, linked: &LinkedUser) -> Vec<(&'static str, Cell)> {
    let moment = |at| Cell::from(visit.moment(at).full());
    vec![
        ("Service user", Cell::text(&linked.user_name)),
        ("E-mail", Cell::optional(linked.email.as_ref())),
        ("Linked", moment(linked.linked_at)),
        ("Linked by", Cell::text(&linked.linked_by)),
        ("Signed in", moment(linked.signed_in_at)),
        ("Token renewed", moment(linked.refreshed_at)),
        ("Tenant", Cell::Code(linked.tenant_id.clone())),
        ("Problem", Cell::optional(linked.problem.as_ref())),
    ]
}
