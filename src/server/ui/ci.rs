//! CI systems: what the gateway can ask of each.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::badge::Badge;
use super::cell::{Cell, Row, Table};
use super::visit::Visit;
use crate::server::html::{Frame, Twins, answer};
use crate::server::problem::Problem;
use crate::storage::CiPause;

#[derive(Template)]
#[template(path = "ci.html")]
struct CiPage {
    frame: Frame,
    systems: Table,
    /// Accounts that are not called for a while.
    pauses: Table,
}

/// `GET /ui/ci`.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.parameters.only(&[])?;
    let can = |ability| if ability { Badge::good("yes") } else { Badge::none("no") };
    let systems = visit.state.observe.systems().listed().enumerate();
    let rows = systems.map(|(number, one)| {
        let cells = vec![
            Cell::cut(one.name),
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
    Ok(answer(StatusCode::OK, &page))
}
