//! `azdo-gateway serve`: runs the gateway until SIGTERM or SIGINT. A second signal stops it at
//! once. SIGHUP, or `azdo-gateway reload`, has it read its configuration again.

use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::Common;
use super::notify::{READY, RELOADING, STOPPING, notify};
use crate::app::App;
use crate::config::Finding;
use crate::server::{Reload, Reloaded};
use crate::telemetry;

pub(super) async fn run(common: &Common) -> anyhow::Result<ExitCode> {
    let config = common.load()?;
    telemetry::log();
    warn(&config.warnings);
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let (organizations, checks) = (config.organizations.len(), config.checks.len());
    let public_url = config.server.public_url.clone();
    let (reload, mut requests) = Reload::new();
    let mut app = App::start(config, reload).await?;
    tracing::info!(
        %public_url, organizations, checks,
        "ready: listening on {}", app.address
    );
    notify(READY);
    loop {
        let answer = tokio::select! {
            () = either(&mut terminate, &mut interrupt) => break,
            Some(_) = hang_up.recv() => None,
            Some(answer) = requests.recv() => Some(answer),
        };
        again(&mut app, common, answer).await?;
    }
    notify(STOPPING);
    tracing::info!("stopping: unready, finishing accepted work");
    tokio::select! {
        () = app.stop() => tracing::info!("stopped"),
        () = either(&mut terminate, &mut interrupt) => tracing::warn!("stopped without waiting"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the configuration again and puts it into force, or refuses it whole.
async fn again(
    app: &mut App,
    common: &Common,
    answer: Option<oneshot::Sender<Reloaded>>,
) -> anyhow::Result<()> {
    let config = common.load().map_err(|errors| errors.to_string());
    let prepared = match config {
        Ok(config) => {
            let warnings = config.warnings.clone();
            let prepared = app.prepare(config).await.map_err(|error| format!("{error:#}"));
            prepared.map(|(next, differences)| (next, differences, warnings))
        }
        Err(errors) => Err(errors),
    };
    let (told, next) = match prepared {
        Ok((next, differences, warnings)) => {
            warn(&warnings);
            for difference in &differences {
                tracing::info!("reload: {difference}");
            }
            if differences.is_empty() {
                tracing::info!("reload: the configuration has not changed");
            }
            // One without a difference is applied, too: the gateway reads its tokens again.
            (Ok(differences), Some(next))
        }
        Err(refused) => {
            tracing::error!("reload: refused, and nothing is changed: {refused}");
            (Err(refused), None)
        }
    };
    if let Some(answer) = answer {
        // The caller may have closed its connection.
        drop(answer.send(told));
    }
    if let Some(next) = next {
        notify(RELOADING);
        app.apply(next).await?;
        notify(READY);
        tracing::info!("reload: the new configuration is in force");
    }
    Ok(())
}

fn warn(warnings: &[Finding]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
