//! The resources of the API: each is listed by one handler and shown by another.

use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde_json::Value;

use super::paging::{Parameters, listed};
use crate::server::auth::Viewer;
use crate::server::problem::Problem;
use crate::storage::{Page, Paged};

/// A page of rendered items.
pub(in crate::server) type ListResult = Result<Paged<Value>, Problem>;
/// A rendered item; none where there is no such item.
pub(in crate::server) type ItemResult = Result<Option<Value>, Problem>;

/// A kind of resource.
pub(in crate::server) trait Resource: 'static {
    /// The path of the list; an item is one segment below it.
    const PATH: &'static str;
    /// The name of an item, as a 404 has it.
    const NAME: &'static str;
    /// The parameters by which the list can be filtered.
    const FILTERS: &'static [&'static str];
    /// Where the items are read.
    type Source: ?Sized + 'static;

    /// A page of the items that match the parameters.
    async fn list(source: &Self::Source, parameters: &Parameters, page: Page) -> ListResult;

    /// The item with this id.
    async fn show(source: &Self::Source, id: &str) -> ItemResult;
}

/// The list and the items of a resource.
pub(super) fn routes<R: Resource>(config: &mut ServiceConfig) {
    config
        .route(R::PATH, web::get().to(list::<R>))
        .route(&format!("{}/{{id}}", R::PATH), web::get().to(show::<R>));
}

async fn list<R: Resource>(
    _: Viewer,
    parameters: Parameters,
    page: Page,
    source: Data<R::Source>,
) -> Result<Json<Value>, Problem> {
    parameters.only(R::FILTERS)?;
    Ok(Json(listed(R::list(&source, &parameters, page).await?)))
}

async fn show<R: Resource>(
    _: Viewer,
    path: Path<String>,
    source: Data<R::Source>,
) -> Result<Json<Value>, Problem> {
    let shown = R::show(&source, &path).await?;
    Ok(Json(shown.ok_or_else(|| Problem::not_found(R::NAME, &path))?))
}
