//! Two replicas on one PostgreSQL: whichever dies, stands still or is replaced, the other goes on.
//!
//! Azure DevOps delivers to a load balancer, which answers 502 where no replica takes a request.

use std::time::{Duration, Instant};

use fakes::faults::{Action, Rule};
use futures_util::future::join_all;

use super::consistency::{Listed, posted_twice};
use super::team::Team;
use crate::harness::{Binary, Database, Env, Replicas, WAIT_MAX};

/// Two replicas, or more, and what they work with.
struct Pair {
    env: Env,
    replicas: Replicas,
    _database: Database,
}

impl Pair {
    async fn start(seed: u64) -> Self {
        let env = Env::new(seed);
        let database = Database::create();
        let replicas = Replicas::start_with(&env, 2, |settings| {
            settings.on_postgres(&database.url(), database.password());
        })
        .await;
        Self { env, replicas, _database: database }
    }

    /// So many replicas, which manage hooks and catch up every second.
    async fn reconciling(seed: u64, count: usize) -> Self {
        let env = Env::new(seed);
        let database = Database::create();
        let replicas = Replicas::without_hooks(&env, count, |settings| {
            settings.on_postgres(&database.url(), database.password());
            "hooks = true\nreconcile = \"1s\"\ncatch_up = \"1s\""
                .clone_into(&mut settings.organization);
        })
        .await;
        env.until_hooks(&replicas.url, 4).await;
        Self { env, replicas, _database: database }
    }

    fn requests(&self) -> usize {
        self.env.shell.ado(|ado| ado.journal.entries().len())
    }

    /// The load balancer serves this one only.
    fn serve_only(&self, one: usize) {
        self.replicas.balancer.set(&[self.replicas.all[one].settings.listen.as_str()]);
    }
}

/// `(method, part of the path, held before it is applied)` of the request at which the replica that
/// makes it is killed. Without a method it is killed after it has taken the delivery.
type Step = (&'static str, &'static str, bool);

const STEPS: [Step; 9] = [
    ("", "", true),
    ("POST", "/ci/start", true),
    ("POST", "/ci/start", false),
    ("GET", "/iterations", true),
    ("GET", "/iterations", false),
    ("POST", "/pullrequests/", true),
    ("POST", "/pullrequests/", false),
    ("POST", "/commits/", true),
    ("POST", "/commits/", false),
];

/// Kills one replica at this step, while the other stands still, and lets that one go on. Returns
/// how long it took until the pull request shows its result.
async fn taken_over(step @ (method, path, before): Step, seed: u64) -> Duration {
    let mut pair = Pair::start(seed).await;
    pair.serve_only(0);
    // So that it is the first one that makes the request.
    pair.replicas.all[1].pause();
    let rule = Rule::new(method, path, Action::Hold { before }).next(1);
    if !method.is_empty() {
        pair.env.shell.ado(|ado| ado.faults.add(rule.clone()));
        pair.env.shell.ci(|ci| ci.faults.add(rule));
    }
    let (id, commit) = pair.env.open("feature/search");
    if !method.is_empty() {
        let held = pair.env.shell.wait_for_held(WAIT_MAX, 1).await;
        assert!(held.is_some(), "{step:?}: the request was never made");
    }
    pair.env.until_delivered().await;
    pair.replicas.all[0].kill();
    let killed = Instant::now();
    pair.env.shell.ado(|ado| ado.faults.clear());
    pair.env.shell.ci(|ci| ci.faults.clear());
    pair.replicas.all[1].resume();
    pair.serve_only(1);
    pair.env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let took = killed.elapsed();
    Listed::when_idle(&pair.env, &pair.replicas.all[1].api).await.check(&pair.env);
    let twice = pair.env.shell.ado(|ado| posted_twice(ado));
    assert_eq!(twice, 0, "{step:?}: a status was posted a second time");
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn at_any_step_the_other_replica_takes_over() {
    // Each waits ten seconds until the death is noticed: some at once, as many as a machine bears.
    let steps: Vec<(Step, u64)> = STEPS.into_iter().zip(1..).collect();
    for some in steps.chunks(3) {
        let all = some.iter().map(|(step, seed)| taken_over(*step, *seed));
        for ((step, _), took) in some.iter().zip(join_all(all).await) {
            println!("{step:?}: the other replica was done {took:?} after the kill");
        }
    }
}

/// People act until there were so many events, with few deliveries under way.
pub(super) async fn act_until(env: &Env, team: &mut Team, events: usize) {
    while env.shell.ado(|ado| ado.all_notifications().count()) < events {
        team.act(env);
        env.until("deliveries are answered", |ado, _| ado.deliveries_pending() < 8).await;
    }
}

/// How many events the stream has, unless `AZDO_GATEWAY_EVENTS` says otherwise.
fn events() -> usize {
    let asked = std::env::var("AZDO_GATEWAY_EVENTS").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(120)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_survives_kills_of_either_replica_in_turns() {
    const KILLS: usize = 6;
    let mut pair = Pair::start(3).await;
    pair.env.shell.ado(|ado| ado.options.time_scale = 20);
    let (mut team, events) = (Team::new(3), events());
    let mut gap = Duration::ZERO;
    for round in 0..KILLS {
        act_until(&pair.env, &mut team, events * (round + 1) / (KILLS + 1)).await;
        let starts = pair.env.shell.ci(|ci| ci.starts());
        pair.replicas.all[round % 2].kill();
        let killed = Instant::now();
        while pair.env.shell.ci(|ci| ci.starts()) == starts {
            team.act(&pair.env);
            pair.env.until("deliveries are answered", |ado, _| ado.deliveries_pending() < 8).await;
        }
        gap = gap.max(killed.elapsed());
        pair.replicas.all[round % 2].restart().await;
    }
    act_until(&pair.env, &mut team, events).await;
    Listed::when_idle(&pair.env, &pair.replicas.api).await.check(&pair.env);
    let (count, lost, twice) = pair
        .env
        .shell
        .ado(|ado| (ado.all_notifications().count(), ado.lost().len(), posted_twice(ado)));
    println!(
        "{count} events, {KILLS} kills, {lost} lost, {twice} posted twice, at most {gap:?} from a \
         kill until the next run was started"
    );
    assert_eq!((lost, twice), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stood_still_and_comes_back_changes_nothing() {
    let pair = Pair::start(4).await;
    pair.serve_only(0);
    pair.replicas.all[1].pause();
    let rule = Rule::new("POST", "/ci/start", Action::Hold { before: true }).next(1);
    pair.env.shell.ci(|ci| ci.faults.add(rule));
    let (id, commit) = pair.env.open("feature/search");
    assert!(pair.env.shell.wait_for_held(WAIT_MAX, 1).await.is_some(), "a run is being started");
    pair.env.until_delivered().await;
    pair.replicas.all[0].pause();
    pair.replicas.all[1].resume();
    pair.serve_only(1);
    pair.env.until_status(id, &commit, "unit-tests", "succeeded").await;
    // Its call to the CI ends now, and so does its attempt to note the answer.
    pair.env.shell.ci(|ci| ci.faults.clear());
    pair.replicas.all[0].resume();
    until_logged(&pair.replicas.all[0], "this process was taken for dead").await;
    let second = pair.env.push("feature/search");
    pair.replicas.balance();
    pair.env.until_status(id, &second, "unit-tests", "succeeded").await;
    Listed::when_idle(&pair.env, &pair.replicas.api).await.check(&pair.env);
    assert_eq!(pair.env.shell.ado(|ado| posted_twice(ado)), 0);
}

/// Waits until a process has logged these words.
async fn until_logged(gateway: &Binary, words: &str) {
    let polling = async {
        let mut interval = tokio::time::interval(crate::harness::POLL_INTERVAL);
        while !gateway.log().contains(words) {
            interval.tick().await;
        }
    };
    let logged = tokio::time::timeout(WAIT_MAX, polling).await;
    assert!(logged.is_ok(), "{words:?} is not in: {}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_reconcile_no_more_often_than_one() {
    let pairs = [Pair::reconciling(6, 1).await, Pair::reconciling(7, 3).await];
    let before = pairs.each_ref().map(Pair::requests);
    let requests = || [pairs[0].requests() - before[0], pairs[1].requests() - before[1]];
    let polling = async {
        let mut interval = tokio::time::interval(crate::harness::POLL_INTERVAL);
        while requests()[0] < 60 {
            interval.tick().await;
        }
    };
    assert!(tokio::time::timeout(WAIT_MAX, polling).await.is_ok(), "one replica reconciles");
    let [of_one, of_three] = requests();
    println!("requests for upkeep: {of_one} of one replica, {of_three} of three");
    assert!((30..90).contains(&of_three), "{of_three} requests beside {of_one} of one replica");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_shows_the_problem_of_a_pass_and_that_it_is_over() {
    let pair = Pair::reconciling(8, 2).await;
    let rule = Rule::new("POST", "/subscriptionsquery", Action::DropBefore);
    pair.env.shell.ado(|ado| ado.faults.add(rule));
    for has_problem in [true, false] {
        for replica in &pair.replicas.all {
            let problems = |shown: &serde_json::Value| {
                shown["items"][0]["problems"]
                    .as_array()
                    .is_some_and(|all| all.is_empty() != has_problem)
            };
            replica.api.until("/v1/organizations", problems).await;
        }
        pair.env.shell.ado(|ado| ado.faults.clear());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_all_replicas_one_after_the_other_refuses_nobody() {
    let mut pair = Pair::start(5).await;
    let mut team = Team::new(5);
    for number in 0..2 {
        act_until(&pair.env, &mut team, 20 * (number + 1)).await;
        // As a load balancer does that sees one replica become unready.
        pair.serve_only(1 - number);
        pair.replicas.all[number].terminate();
        act_until(&pair.env, &mut team, 20 * (number + 1) + 10).await;
        assert!(pair.replicas.all[number].wait().success());
        pair.replicas.all[number].restart().await;
        pair.replicas.all[number].until_ready().await;
        pair.replicas.balance();
    }
    Listed::when_idle(&pair.env, &pair.replicas.api).await.check(&pair.env);
    let (events, attempts) = pair.env.shell.ado(|ado| {
        let attempts: usize = ado.all_notifications().map(|one| one.attempts.len()).sum();
        (ado.all_notifications().count(), attempts)
    });
    assert_eq!(attempts, events, "a delivery was refused and had to be repeated");
}
