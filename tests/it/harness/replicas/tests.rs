//! Replicas are processes of their own behind one address.

use crate::harness::{Env, Replicas};

/// With one replica, since SQLite has no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_reached_through_the_load_balancer_and_can_be_paused() {
    let env = Env::new(9_001);
    let mut replicas = Replicas::start_with(&env, 1, |_| {}).await;
    replicas.until_ready().await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_idle(&replicas.api).await;
    let replica = &replicas.all[0];
    assert!(replicas.balancer.requests(&replica.settings.listen) > 0);
    assert!(replica.log().contains("listening"), "{}", replica.log());
    replica.pause();
    let api = replicas.api.clone();
    let waiting = tokio::spawn(async move { api.items("/v1/runs").await });
    replica.resume();
    assert_eq!(waiting.await.expect("it is answered").len(), 1);
    let replica = &mut replicas.all[0];
    replica.kill();
    replica.restart().await;
    env.push("topic");
    env.until_idle(&replicas.api).await;
    assert_eq!(replicas.api.items("/v1/runs").await.len(), 2);
    env.check_invariants();
    replicas.stop();
}
