//! Processes on one database wake each other, also after the connection that listens was lost, and
//! past a pooler.

use std::sync::Arc;

use azdo_gateway::pipeline::accept::read_envelope;
use azdo_gateway::storage::postgres::Postgres;
use azdo_gateway::storage::{Migrate, PostgresOptions, Store};

use super::{Engine, INSTANCE, REPLICA, options};
use crate::harness::{Database, PgBouncer, Server, WAIT_MAX};

/// What is heard where messages may be lost.
const LOST: &str = "some are lost";

/// Sends the message until the other process hears one, and returns that.
async fn heard(from: &dyn Store, message: &str, by: &dyn Store) -> String {
    let sending = async {
        loop {
            from.send(message).await.expect("it is sent");
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        heard = tokio::time::timeout(WAIT_MAX, by.received()) => {
            heard.expect("it hears something").unwrap_or_else(|| LOST.to_owned())
        }
        () = sending => unreachable!("it sends for ever"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_hears_the_others_and_not_itself() {
    let location = Engine::Postgres.location();
    let (one, other) = (location.open().await, location.open_as(REPLICA).await);
    assert_eq!(heard(one.as_ref(), "decide publish", other.as_ref()).await, "decide publish");
    // The first one has sent much, and hears nothing of it.
    assert_eq!(heard(other.as_ref(), "follow", one.as_ref()).await, "follow");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_hears_again_after_its_connection_was_lost() {
    let database = Database::create();
    let open =
        async |instance| super::open_postgres(&database.url(), database.password(), instance).await;
    let (one, other) = (open(INSTANCE).await, open(REPLICA).await);
    heard(one.as_ref(), "decide", other.as_ref()).await;
    let lost = database.sql(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'",
    );
    assert_eq!(lost.trim(), "2");
    // What was sent before may still wait to be read.
    while heard(one.as_ref(), "publish", other.as_ref()).await != LOST {}
    while heard(one.as_ref(), "publish", other.as_ref()).await != "publish" {}
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_a_process_listens_where_it_is_told_to() {
    let database = Database::create();
    let pooler = PgBouncer::before(&Server::of_the_run());
    let url = database.owner_at(pooler.address()).url(database.name());
    let open = async |instance, listen_url| {
        let options = PostgresOptions { listen_url, ..options(&url, database.password()) };
        let opened = Postgres::open(&options, Migrate::Auto, instance, read_envelope).await;
        Arc::new(opened.expect("the database opens"))
    };
    let deaf = open(INSTANCE, None).await;
    let hearing = open(REPLICA, Some(database.url())).await;
    assert_eq!(heard(deaf.as_ref(), "decide", hearing.as_ref()).await, "decide");
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    assert_eq!(database.sql(listening).trim(), "1", "the other one does not listen");
}
