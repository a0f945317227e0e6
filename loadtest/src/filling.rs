//! Leaves many decided deliveries in a gateway's store before it is measured: the gateway stores a
//! few thousand, which are then multiplied inside the database while no gateway runs.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::gateway::{Gateway, operator};
use crate::http::Connection;
use crate::metrics;

/// How many deliveries are sent, to be multiplied.
const SEEDS: u64 = 2_000;
const SUBSCRIPTIONS: u64 = 8;
const ACCEPTED: u16 = 202;

/// Fills the empty store of a gateway that does not run; the seconds that it took.
pub(crate) async fn fill(gateway: &Gateway, count: u64) -> anyhow::Result<f64> {
    let begun = Instant::now();
    if count > 0 {
        send_seeds(gateway, count.min(SEEDS)).await.context("no deliveries to multiply")?;
        gateway.store.multiply(gateway.folder(), count)?;
        gateway.store.add_green_check(gateway.folder())?;
    }
    Ok(begun.elapsed().as_secs_f64())
}

/// These deliveries are small, because their number is what matters.
async fn send_seeds(gateway: &Gateway, count: u64) -> anyhow::Result<()> {
    let hook = gateway.hooks()?.into_iter().next().context("no organization")?;
    let (replicas, _) = gateway.serve(false).await?;
    let mut connection = Connection::open(replicas.address).await?;
    let headers = format!("authorization: {}\r\n", hook.authorization);
    for number in 1..=count {
        let response = connection.ask("POST", &hook.path, &headers, &seed(number)).await?;
        ensure!(response.status == ACCEPTED, "delivery {number}: {}", response.status);
    }
    let decided = metrics::wait_until_decided(&replicas.addresses(), None).await?;
    decided.context("the deliveries are not decided")?;
    replicas.stop().await?;
    Ok(())
}

/// The shortest push that the gateway understands.
fn seed(number: u64) -> String {
    let subscription = number % SUBSCRIPTIONS;
    format!(
        "{{\"subscriptionId\":\"7d21f0e4-83bc-4a56-9f1e-00000000000{subscription}\",\
         \"notificationId\":{number},\"id\":\"5eed0000-0000-4000-8000-{number:012x}\",\
         \"eventType\":\"git.push\",\"publisherId\":\"tfs\",\
         \"createdDate\":\"2026-03-02T00:00:00.0000000Z\",\"resource\":{{\"pushId\":{number},\
         \"refUpdates\":[{{\"name\":\"refs/heads/filler\",\
         \"oldObjectId\":\"0000000000000000000000000000000000000000\",\
         \"newObjectId\":\"{number:040x}\"}}],\"repository\":{{\
         \"id\":\"6f2b91d4-c0e8-4357-9ab6-1d84e7f3c205\",\"name\":\"route-planner\",\
         \"project\":{{\"id\":\"f04c8e2b-96d1-4b7a-8e35-c1a7d9026f4b\",\"name\":\"filler\"}}}}}}}}"
    )
}

/// Asks the running gateway whether the copies are decided, as the deliveries that were copied.
pub(crate) async fn check(address: SocketAddr, count: u64) -> anyhow::Result<()> {
    if count > 0 {
        let middle = format!("/v1/deliveries/{}", count.div_ceil(2));
        let middle = operator(address).get(&middle).await?;
        let outcome = middle.get("outcome").and_then(Value::as_str).unwrap_or("missing");
        ensure!(!["pending", "missing"].contains(&outcome), "a copied delivery is {outcome}");
    }
    Ok(())
}

/// The id of a delivery, which the API may give as a number or as text.
pub(crate) fn as_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{Value, seed};

    #[test]
    fn the_shortest_push_is_json() {
        let body: Value = serde_json::from_str(&seed(7)).unwrap();
        assert_eq!(body["resource"]["refUpdates"][0]["newObjectId"].as_str().unwrap().len(), 40);
    }
}
