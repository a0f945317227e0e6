//! PostgreSQL: bodies lie in a partition for each day, and several replicas delete at once.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use azdo_gateway::domain::time::{Day, Timestamp};
use azdo_gateway::storage::{Commit, DeliveryFilter, Page, Store};

use super::make::{self, HookCall};
use super::{Bench, Engine, claim, receive};
use crate::harness::Database;

const DAY: Duration = Duration::from_secs(86_400);

/// The present time: partitions are made and dropped by the clock of the database.
fn now() -> Timestamp {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("it is later than 1970");
    Timestamp::ZERO.plus(since)
}

/// Rows from before this time are old.
fn before() -> Timestamp {
    now().minus(30 * DAY)
}

/// A day that is old as a whole.
fn old_day() -> Day {
    Day::of(now().minus(40 * DAY))
}

impl Bench {
    async fn on_postgres() -> Self {
        Self::of(Engine::Postgres).await
    }

    fn database(&self) -> &Database {
        self.location.database()
    }

    /// The days that have a partition.
    fn days(&self) -> BTreeSet<Day> {
        let names = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'body'::regclass";
        let names = self.database().sql(names);
        names.lines().filter_map(|name| Day::parse(name.strip_prefix("body_of_")?)).collect()
    }

    /// Makes the partition of a day, as was done before that day.
    fn make_partition(&self, day: Day) {
        let (from, to) = (day.begin().micros(), day.end().micros());
        self.database().sql(&format!(
            "CREATE TABLE body_of_{day} (LIKE body INCLUDING ALL);
             ALTER TABLE body ATTACH PARTITION body_of_{day} FOR VALUES FROM ({from}) TO ({to})"
        ));
    }

    async fn received_on(&self, number: i64, day: Day) {
        let call = HookCall { received_at: day.begin(), ..make::delivery(number) };
        receive(&*self.store, &call).await.expect("it is stored");
    }

    /// Decides up to so many deliveries.
    async fn decided(&self, limit: usize) {
        for leased in self.store.claim_deliveries(claim(0, limit)).await.expect("a claim") {
            let commit = make::decision(&leased, &[], &[]);
            assert_eq!(self.store.commit_decision(commit).await.expect("it is"), Commit::Committed);
        }
    }

    async fn stored(&self) -> usize {
        let page = Page { limit: 500, before: None };
        let found = self.store.deliveries(DeliveryFilter::default(), page).await.expect("a list");
        found.items.len()
    }
}

/// Deletes until there is nothing left to delete; how much that was.
async fn delete(store: &dyn Store) -> usize {
    let mut all = 0;
    loop {
        match store.delete_older(before(), before(), 5).await.expect("it is deleted") {
            0 => return all,
            some => all += some,
        }
    }
}

#[tokio::test]
async fn today_and_the_next_days_have_partitions() {
    let first = Day::of(now());
    let bench = Bench::on_postgres().await;
    let expected = |today: Day| (0..=3).map(|days| today.plus(days)).collect::<BTreeSet<_>>();
    let days = bench.days();
    let last = Day::of(now());
    assert!(days == expected(first) || days == expected(last), "{days:?}");
    // They stay, and no second process makes them again.
    let bench = bench.reopened().await;
    delete(&*bench.store).await;
    assert!(bench.days().is_superset(&expected(last)));
    bench.received_on(1, last).await;
    assert_eq!(bench.database().sql("SELECT count(*) FROM body_of_other_days"), "0");
    assert_eq!(bench.database().sql("SELECT count(*) FROM body"), "1");
}

#[tokio::test]
async fn an_old_day_goes_as_a_whole_once_all_of_it_is_decided() {
    let bench = Bench::on_postgres().await;
    bench.make_partition(old_day());
    for number in 1..=3 {
        bench.received_on(number, old_day()).await;
    }
    bench.decided(2).await;
    delete(&*bench.store).await;
    assert!(bench.days().contains(&old_day()), "one delivery still needs its body");
    let left = bench.store.claim_deliveries(claim(100, 9)).await.unwrap().remove(0);
    assert_eq!(left.body, make::delivery(3).body);
    let commit = make::decision(&left, &[], &[]);
    assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
    delete(&*bench.store).await;
    assert!(!bench.days().contains(&old_day()));
    let table = format!("SELECT to_regclass('body_of_{}') IS NULL", old_day());
    assert_eq!(bench.database().sql(&table), "t");
}

#[tokio::test]
async fn a_partition_that_was_detached_by_a_process_that_died_is_dropped() {
    let bench = Bench::on_postgres().await;
    bench.make_partition(old_day());
    let name = format!("body_of_{}", old_day());
    bench.database().sql(&format!("ALTER TABLE body DETACH PARTITION {name}"));
    delete(&*bench.store).await;
    assert_eq!(bench.database().sql(&format!("SELECT to_regclass('{name}') IS NULL")), "t");
}

#[tokio::test]
async fn bodies_of_days_without_a_partition_go_with_their_deliveries() {
    let bench = Bench::on_postgres().await;
    for number in 1..=4 {
        bench.received_on(number, old_day()).await;
    }
    bench.decided(9).await;
    assert_eq!(bench.database().sql("SELECT count(*) FROM body_of_other_days"), "4");
    delete(&*bench.store).await;
    // The newest delivery stays.
    assert_eq!(bench.stored().await, 1);
    assert_eq!(bench.database().sql("SELECT count(*) FROM body_of_other_days"), "1");
    assert!(!bench.days().contains(&old_day()));
}

#[tokio::test]
async fn whoever_reads_bodies_for_long_delays_only_the_end_of_a_day() {
    let bench = Bench::on_postgres().await;
    bench.make_partition(old_day());
    let reader = bench.location.database().connect().await;
    reader.batch_execute("BEGIN; SELECT count(*) FROM body").await.unwrap();
    delete(&*bench.store).await;
    assert!(bench.days().contains(&old_day()));
    bench.received_on(1, Day::of(now())).await;
    reader.batch_execute("COMMIT").await.unwrap();
    delete(&*bench.store).await;
    assert!(!bench.days().contains(&old_day()));
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_delete_at_once_delete_each_row_once() {
    let bench = Bench::on_postgres().await;
    let other = bench.replica().await;
    bench.make_partition(old_day());
    for number in 1..=60 {
        bench.received_on(number, old_day()).await;
    }
    bench.decided(60).await;
    let (here, there) = tokio::join!(delete(&*bench.store), delete(&*other.store));
    // Whoever found only rows that the other had locked has ended early.
    let rest = delete(&*bench.store).await;
    assert_eq!((here + there + rest, bench.stored().await), (59, 1));
    assert_eq!(bench.database().sql("SELECT count(*) FROM decision"), "1");
    other.close().await;
}
