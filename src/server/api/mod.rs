//! The API for operators: what the gateway did and why, and what operators ask it to do.

/// The list and the items of every resource.
pub(super) mod resource;

/// Parameters and pages of lists.
pub(super) mod paging;

/// CI systems.
mod ci;

/// Why a check runs on a pull request, or does not.
mod explain;

pub(super) mod deliveries;
mod runners;
pub(super) mod runs;
mod sessions;
pub(super) mod statuses;

/// Organizations as the gateway's identity sees them.
mod organizations;

/// The service user of an organization.
mod link;

pub(super) mod subscriptions;

/// Plans, results and requests of the reconcilers.
mod reconcilers;

pub(super) mod audit;

use std::sync::Arc;

use actix_web::web::{self, Data, ServiceConfig};

use super::Components;
use super::actions::Actions;
use crate::credentials::Identities;
use crate::storage::{Audit, Deliveries, Reconciliation, Runs, Statuses};

pub(super) fn routes(
    components: &Components,
    actions: &Arc<Actions>,
) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let deps = Data::new(components.deps.clone());
    let deliveries = Data::from(Arc::clone(&deps.store) as Arc<dyn Deliveries>);
    let runs = Data::from(Arc::clone(&deps.store) as Arc<dyn Runs>);
    let statuses = Data::from(Arc::clone(&deps.store) as Arc<dyn Statuses>);
    let subscriptions = Data::from(Arc::clone(&deps.store) as Arc<dyn Reconciliation>);
    let audit = Data::from(Arc::clone(&deps.store) as Arc<dyn Audit>);
    let observe = Data::new(components.observe.clone());
    let identities: Data<Identities> = Data::from(Arc::clone(&components.identities));
    let directory = Data::new(organizations::Directory {
        organizations: Arc::clone(&components.organizations),
        identities: Arc::clone(&components.identities),
        deps: components.deps.clone(),
        surveys: Arc::clone(&components.surveys),
    });
    let examine = Data::from(Arc::clone(&components.examine));
    let actions = Data::from(Arc::clone(actions));
    move |config| {
        config
            .app_data(deps.clone())
            .app_data(deliveries.clone())
            .app_data(runs.clone())
            .app_data(statuses.clone())
            .app_data(subscriptions.clone())
            .app_data(audit.clone())
            .app_data(observe.clone())
            .app_data(identities.clone())
            .app_data(directory.clone())
            .app_data(examine.clone())
            .app_data(actions.clone())
            .configure(resource::routes::<deliveries::Deliveries>)
            .configure(resource::routes::<runs::Runs>)
            .configure(resource::routes::<statuses::Statuses>)
            .configure(resource::routes::<organizations::Directory>)
            .configure(resource::routes::<subscriptions::Subscriptions>)
            .configure(resource::routes::<audit::Audit>)
            .configure(others);
    }
}

fn others(config: &mut ServiceConfig) {
    config
        .route("/v1/deliveries/{id}/replay", web::post().to(deliveries::replay))
        .route("/v1/runs/{id}/cancel", web::post().to(runs::cancel))
        .route("/v1/runs/{id}/rerun", web::post().to(runs::rerun))
        .route("/v1/statuses", web::post().to(statuses::post))
        .route("/v1/runners", web::get().to(runners::list))
        .route("/v1/ci", web::get().to(ci::list))
        .route("/v1/ci/{name}/check", web::post().to(ci::check))
        .route("/v1/permissions", web::get().to(organizations::permissions))
        .route("/v1/sessions", web::delete().to(sessions::revoke))
        .route("/v1/organizations/{name}/link", web::post().to(link::create))
        .route("/v1/organizations/{name}/link", web::delete().to(link::unlink))
        .route("/v1/organizations/{name}/explain", web::get().to(explain::explain))
        .route("/v1/organizations/{name}/plan", web::get().to(reconcilers::plan))
        .route("/v1/organizations/{name}/reconcile", web::get().to(reconcilers::outcomes))
        .route("/v1/organizations/{name}/reconcile", web::post().to(reconcilers::reconcile))
        .route("/v1/organizations/{name}/catch-up", web::post().to(reconcilers::catch_up))
        .route("/v1/organizations/{name}/rotate", web::post().to(reconcilers::rotate))
        .route("/v1/organizations/{name}/hooks", web::delete().to(reconcilers::remove_hooks));
}
