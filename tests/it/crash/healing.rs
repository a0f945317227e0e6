//! Killed after a healed hook has proved that it delivers: the next process knows that it did, and
//! heals at once when Azure DevOps stops the hooks again.
//!
//! The time that it takes is printed and not asserted, so that a busy machine does not fail the
//! test.

use std::time::Instant;

use fakes::ado::{SubscriptionStatus, World};
use reqwest::{Method, StatusCode};

use crate::harness::{Binary, Env};

fn stop_all(env: &Env) {
    env.shell.ado(|ado| {
        let ids: Vec<String> = ado.subscriptions().map(|one| one.id.clone()).collect();
        for id in ids {
            let stopped = SubscriptionStatus::DisabledBySystem;
            ado.change_subscription(&id, |one| one.status = stopped);
        }
    });
}

fn enabled(ado: &World) -> impl Iterator<Item = &str> {
    let all = ado.subscriptions().filter(|one| one.status == SubscriptionStatus::Enabled);
    all.map(|one| one.id.as_str())
}

/// Whether four hooks are enabled, and something was delivered to each.
fn is_healed(ado: &World) -> bool {
    let is_proved = |id: &str| {
        let mut all = ado.all_notifications();
        all.any(|one| one.subscription == id && one.completed_ms.is_some())
    };
    enabled(ado).count() == 4 && enabled(ado).all(is_proved)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_healed_hook_delivered_before_a_kill_counts_after_it() {
    let env = Env::new(6901);
    // No pass runs by itself between the arrival of the test notifications and the kill.
    let mut gateway = Binary::without_hooks(&env, |settings| {
        settings.organization = "hooks = true\nreconcile = \"10m\"\ncatch_up = \"off\"".to_owned();
    })
    .await;
    env.until_hooks(&gateway.url, 4).await;
    stop_all(&env);
    let path = "/v1/organizations/fabrikam/reconcile";
    let (status, _) = gateway.api.call(Method::POST, path, None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    env.until("new hooks have delivered", |ado, _| is_healed(ado)).await;
    gateway.kill();
    let killed_at = Instant::now();
    stop_all(&env);
    let before: Vec<String> =
        env.shell.ado(|ado| ado.subscriptions().map(|one| one.id.clone()).collect());
    gateway.restart().await;
    env.until("they are healed again", |ado, _| {
        is_healed(ado) && enabled(ado).all(|id| !before.iter().any(|old| old == id))
    })
    .await;
    let took_ms = killed_at.elapsed().as_millis();
    println!("{took_ms} ms from the kill, with all hooks stopped, until all hooks deliver");
}
