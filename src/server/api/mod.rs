//! What operators look at and ask for. It must never know how any of it is stored.

mod audit;
mod deliveries;
mod hooks;
mod link;
mod organizations;
mod page;
mod runs;
mod statuses;

use actix_web::web;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/deliveries", web::get().to(deliveries::list))
        .route("/v1/deliveries/{id}", web::get().to(deliveries::show))
        .route("/v1/deliveries/{id}/replay", web::post().to(deliveries::replay))
        .route("/v1/organizations", web::get().to(organizations::list))
        .route("/v1/organizations/{name}", web::get().to(organizations::show))
        .route("/v1/permissions", web::get().to(organizations::permissions))
        .route("/v1/runs", web::get().to(runs::list))
        .route("/v1/runs/{id}", web::get().to(runs::show))
        .route("/v1/runs/{id}/cancel", web::post().to(runs::cancel))
        .route("/v1/runs/{id}/rerun", web::post().to(runs::rerun))
        .route("/v1/statuses", web::get().to(statuses::list))
        .route("/v1/statuses", web::post().to(statuses::post))
        .route("/v1/statuses/{id}", web::get().to(statuses::show))
        .route("/v1/organizations/{name}/link", web::post().to(link::ticket))
        .route("/v1/organizations/{name}/link", web::delete().to(link::unlink))
        .route("/v1/organizations/{name}/plan", web::get().to(hooks::plan))
        .route("/v1/organizations/{name}/reconcile", web::get().to(hooks::outcomes))
        .route("/v1/organizations/{name}/reconcile", web::post().to(hooks::reconcile))
        .route("/v1/organizations/{name}/catch-up", web::post().to(hooks::catch_up))
        .route("/v1/organizations/{name}/rotate", web::post().to(hooks::rotate))
        .route("/v1/organizations/{name}/hooks", web::delete().to(hooks::remove))
        .route("/v1/subscriptions", web::get().to(hooks::list))
        .route("/v1/subscriptions/{id}", web::get().to(hooks::show))
        .route("/v1/audit", web::get().to(audit::list))
        .route("/v1/audit/{id}", web::get().to(audit::show));
}
