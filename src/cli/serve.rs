//! `azdo-gateway serve`: runs the gateway until SIGTERM or SIGINT. A second signal stops it at
//! once.

use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Common;
use super::notify::{READY, STOPPING, notify};
use crate::app::App;
use crate::telemetry;

pub(super) async fn run(common: &Common) -> anyhow::Result<ExitCode> {
    let config = common.load()?;
    telemetry::log();
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (organizations, checks) = (config.organizations.len(), config.checks.len());
    let public_url = config.server.public_url.clone();
    let app = App::start(config).await?;
    tracing::info!(
        %public_url, organizations, checks,
        "ready: listening on {}", app.address
    );
    notify(READY);
    either(&mut terminate, &mut interrupt).await;
    notify(STOPPING);
    tracing::info!("stopping: unready, finishing accepted work");
    tokio::select! {
        () = app.stop() => tracing::info!("stopped"),
        () = either(&mut terminate, &mut interrupt) => tracing::warn!("stopped without waiting"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
