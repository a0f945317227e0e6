//! A CI that is down when the gateway starts, and comes up. What is not there is the same for every
//! kind.

use std::net::SocketAddr;

use fakes::shell::Shell;
use fakes::systems::{System, buildkite};
use serde_json::Value;

use super::kinds::BUILDKITE;
use super::world::{NAME, World, findings};
use crate::harness::{Settings, WAIT_MAX, free_port};

#[tokio::test(flavor = "multi_thread")]
async fn a_ci_that_is_down_is_waited_for() {
    let world = World::new(&BUILDKITE);
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let away = |settings: &mut Settings| {
        settings.change_ci(world.env.shell.url(), &format!("http://{address}"));
    };
    let gateway = world.gateway_with("1s", away).await;
    let (id, commit) = world.env.open("topic");
    world.env.until_status(id, &commit, "build", "pending").await;
    let is_told =
        |runs: &Value| runs["items"][0]["reason"] == "builder does not start it yet: no connection";
    gateway.api.until("/v1/runs", is_told).await;
    assert_eq!(findings(&gateway.api).await, ["no connection"]);
    let ado = fakes::ado::World::new(1, fakes::ado::Options::loopback());
    let ci = fakes::ci::World::new(1);
    let up = Shell::start(ado, ci, Some(address)).expect("the port is free");
    // The same tokens come of the same seed.
    up.add_system(NAME, Box::new(buildkite::World::new(BUILDKITE.seed)));
    let started = |system: &mut dyn System| system.builds().all().len() == 1;
    let reached = async {
        let mut changes = up.changes();
        while up.system(NAME, started) != Some(true) {
            changes.changed().await.expect("it serves");
        }
    };
    tokio::time::timeout(WAIT_MAX, reached).await.expect("the run is started");
    gateway.stop().await;
    up.stop().await;
}
