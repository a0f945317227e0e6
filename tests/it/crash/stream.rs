//! A stream of 200 pull request events, during which the gateway is killed again and again.
//!
//! Azure DevOps delivers to a load balancer, which answers 502 while the gateway is down. Azure
//! DevOps repeats such a delivery, here after a twentieth of the real wait. No subscription comes
//! on probation, so the gateway must not lose any of the events.

use std::time::{Duration, Instant};

use fakes::faults::{Action, Rule};
use fakes::random::Random;

use super::consistency::{Listed, posted_twice};
use super::load_balancer::{LoadBalancer, Trap};
use super::team::Team;
use crate::harness::{Binary, Env, WAIT_MAX};

const EVENTS: usize = 200;
/// Deliveries that may be waiting or under way; with more, people pause.
const PENDING_MAX: usize = 8;

/// The request at which the gateway is killed.
#[derive(Clone, Copy, Debug)]
enum KillPoint {
    /// A request of the gateway to a neighbour, before or after the neighbour applies it.
    Request { to: Neighbour, method: &'static str, path: &'static str, before: bool },
    /// A delivery to the gateway.
    Delivery(Trap),
}

#[derive(Clone, Copy, Debug)]
enum Neighbour {
    Ado,
    Ci,
}

const fn ado(method: &'static str, path: &'static str, before: bool) -> KillPoint {
    KillPoint::Request { to: Neighbour::Ado, method, path, before }
}

const fn ci(before: bool) -> KillPoint {
    KillPoint::Request { to: Neighbour::Ci, method: "POST", path: "/ci/start", before }
}

const KILL_POINTS: [KillPoint; 10] = [
    ci(true),
    ci(false),
    ado("GET", "/iterations", true),
    ado("GET", "/iterations", false),
    ado("POST", "/pullrequests/", true),
    ado("POST", "/pullrequests/", false),
    ado("POST", "/commits/", true),
    ado("POST", "/commits/", false),
    KillPoint::Delivery(Trap::UnderWay),
    KillPoint::Delivery(Trap::AnswerLost),
];

/// The stream of events, and the gateway that receives it.
struct Stream {
    env: Env,
    load_balancer: LoadBalancer,
    gateway: Binary,
    team: Team,
    random: Random,
    held: usize,
}

impl Stream {
    async fn begin(seed: u64) -> Self {
        let env = Env::new(seed);
        env.shell.ado(|ado| ado.options.time_scale = 20);
        let gateway = Binary::without_hooks(&env, |_| {}).await;
        let load_balancer = LoadBalancer::before(&gateway.url);
        env.subscribe(&load_balancer.url).await;
        let (team, random) = (Team::new(seed), Random::seeded(seed ^ 0xDEAD));
        Self { env, load_balancer, gateway, team, random, held: 0 }
    }

    fn events(&self) -> usize {
        self.env.shell.ado(|ado| ado.all_notifications().count())
    }

    /// People act until there were so many events.
    async fn act_until(&mut self, events: usize) {
        while self.events() < events {
            self.team.act(&self.env);
            self.until_few_pending().await;
        }
    }

    /// Waits until fewer than `PENDING_MAX` deliveries are pending.
    async fn until_few_pending(&self) {
        let are_few =
            |ado: &fakes::ado::World, _: &fakes::ci::World| ado.deliveries_pending() < PENDING_MAX;
        self.env.until("deliveries are answered", are_few).await;
    }

    /// People act until a random one of the next four such requests is made. At that instant the
    /// gateway is killed, and then started again. Returns how long the start took.
    async fn kill_at(&mut self, kill_point: KillPoint) -> Duration {
        let number = 1 + self.random.below(4);
        match kill_point {
            KillPoint::Delivery(trap) => self.load_balancer.set(trap, number - 1),
            KillPoint::Request { to, method, path, before } => {
                let nth = u32::try_from(number).expect("it is at most 4");
                let rule = Rule::new(method, path, Action::Hold { before }).nth(nth);
                match to {
                    Neighbour::Ado => self.env.shell.ado(|ado| ado.faults.add(rule)),
                    Neighbour::Ci => self.env.shell.ci(|ci| ci.faults.add(rule)),
                }
                self.held += 1;
            }
        }
        loop {
            self.team.act(&self.env);
            tokio::select! {
                biased;
                () = self.until_reached(kill_point) => break,
                () = self.until_few_pending() => {}
            }
        }
        self.gateway.kill();
        let killed = Instant::now();
        self.env.shell.ado(|ado| ado.faults.clear());
        self.env.shell.ci(|ci| ci.faults.clear());
        self.gateway.restart().await;
        killed.elapsed()
    }

    async fn until_reached(&self, kill_point: KillPoint) {
        match kill_point {
            KillPoint::Delivery(_) => self.load_balancer.triggered().await,
            KillPoint::Request { .. } => {
                drop(self.env.shell.wait_for_held(WAIT_MAX, self.held).await);
            }
        }
    }
}

async fn kill_at_every_point(seed: u64) {
    let mut stream = Stream::begin(seed).await;
    let mut kill_points = KILL_POINTS;
    for last in (1..kill_points.len()).rev() {
        let other = stream.random.below(last as u64 + 1);
        kill_points.swap(last, usize::try_from(other).expect("it is an index"));
    }
    let mut down = Duration::ZERO;
    for (round, kill_point) in kill_points.into_iter().enumerate() {
        stream.act_until(EVENTS * (round + 1) / (KILL_POINTS.len() + 1)).await;
        down = down.max(stream.kill_at(kill_point).await);
    }
    stream.act_until(EVENTS).await;
    Listed::when_idle(&stream.env, &stream.gateway.api).await.check(&stream.env);
    let (events, attempts, lost, twice) = stream.env.shell.ado(|ado| {
        let attempts: usize = ado.all_notifications().map(|one| one.attempts.len()).sum();
        (ado.all_notifications().count(), attempts, ado.lost().len(), posted_twice(ado))
    });
    let repeats: u32 = stream.env.shell.ci(|ci| ci.started().map(|start| start.repeats).sum());
    let runs = stream.env.shell.ci(|ci| ci.starts());
    println!(
        "seed {seed}: {events} events in {attempts} attempts, {} kills, {runs} runs, {repeats} \
         triggers repeated under their key, {twice} posted twice, down for {down:?} at most",
        KILL_POINTS.len(),
    );
    assert!(events >= EVENTS && lost == 0, "{lost} of {events} events were lost");
    assert_eq!(twice, 0, "a status was posted a second time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_200_events_survives_kills_at_every_point() {
    kill_at_every_point(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_stream_of_200_events_survives_kills_in_another_order() {
    kill_at_every_point(2).await;
}
