//! A stream of 200 pull request events, during which the gateway is killed again and again.
//!
//! Azure DevOps stays patient because it delivers to a load balancer (see `front`), whose 502 it
//! repeats after waits that pass 20 times as fast as they really would. So no event is lost to a
//! subscription on probation, and all 200 are within the promises.

use std::time::{Duration, Instant};

use fakes::faults::{Action, Rule};
use fakes::random::Random;

use super::consistency::{Listed, posted_twice};
use super::load_balancer::{LoadBalancer, Trap};
use super::team::Team;
use crate::harness::{Binary, Env, WAIT_MAX};

const EVENTS: usize = 200;
/// Deliveries that wait or are under way before people pause.
const PENDING_MAX: usize = 8;

/// Where the gateway is killed.
#[derive(Clone, Copy, Debug)]
enum HookScope {
    /// A request of the gateway, before or after it is applied.
    Instance { side: Side, method: &'static str, path: &'static str, before: bool },
    /// A delivery to the gateway.
    Theirs(Trap),
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Ado,
    Ci,
}

const fn ado(method: &'static str, path: &'static str, before: bool) -> HookScope {
    HookScope::Instance { side: Side::Ado, method, path, before }
}

const fn ci(before: bool) -> HookScope {
    HookScope::Instance { side: Side::Ci, method: "POST", path: "/ci/start", before }
}

const PLACES: [HookScope; 10] = [
    ci(true),
    ci(false),
    ado("GET", "/iterations", true),
    ado("GET", "/iterations", false),
    ado("POST", "/pullrequests/", true),
    ado("POST", "/pullrequests/", false),
    ado("POST", "/commits/", true),
    ado("POST", "/commits/", false),
    HookScope::Theirs(Trap::UnderWay),
    HookScope::Theirs(Trap::AnswerLost),
];

/// The stream, and what strikes it.
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

    /// People act until so much has happened.
    async fn flow_until(&mut self, events: usize) {
        while self.events() < events {
            self.team.act(&self.env);
            self.until_calm().await;
        }
    }

    async fn until_calm(&self) {
        let is_calm =
            |ado: &fakes::ado::World, _: &fakes::ci::World| ado.deliveries_pending() < PENDING_MAX;
        self.env.until("the deliveries go on", is_calm).await;
    }

    /// People act until the n-th request of that kind is held; then the gateway dies and rises.
    /// How long it took until it answered again.
    async fn strike(&mut self, hook_scope: HookScope) -> Duration {
        let number = 1 + self.random.below(4);
        match hook_scope {
            HookScope::Theirs(trap) => self.load_balancer.set(trap, number - 1),
            HookScope::Instance { side, method, path, before } => {
                let nth = u32::try_from(number).expect("it is small");
                let rule = Rule::new(method, path, Action::Hold { before }).nth(nth);
                match side {
                    Side::Ado => self.env.shell.ado(|ado| ado.faults.add(rule)),
                    Side::Ci => self.env.shell.ci(|ci| ci.faults.add(rule)),
                }
                self.held += 1;
            }
        }
        loop {
            self.team.act(&self.env);
            tokio::select! {
                biased;
                () = self.sprung(hook_scope) => break,
                () = self.until_calm() => {}
            }
        }
        self.gateway.kill();
        let begun = Instant::now();
        self.env.shell.ado(|ado| ado.faults.clear());
        self.env.shell.ci(|ci| ci.faults.clear());
        self.gateway.restart().await;
        begun.elapsed()
    }

    async fn sprung(&self, hook_scope: HookScope) {
        match hook_scope {
            HookScope::Theirs(_) => self.load_balancer.triggered().await,
            HookScope::Instance { .. } => {
                drop(self.env.shell.wait_for_held(WAIT_MAX, self.held).await);
            }
        }
    }
}

async fn survives(seed: u64) {
    let mut stream = Stream::begin(seed).await;
    let mut hook_scopes = PLACES;
    for last in (1..hook_scopes.len()).rev() {
        let other = stream.random.below(last as u64 + 1);
        hook_scopes.swap(last, usize::try_from(other).expect("it is small"));
    }
    let mut down = Duration::ZERO;
    for (round, hook_scope) in hook_scopes.into_iter().enumerate() {
        stream.flow_until(EVENTS * (round + 1) / (PLACES.len() + 1)).await;
        down = down.max(stream.strike(hook_scope).await);
    }
    stream.flow_until(EVENTS).await;
    let books = Listed::when_idle(&stream.env, &stream.gateway.api).await;
    books.check(&stream.env);
    let (events, attempts, lost, twice) = stream.env.shell.ado(|ado| {
        let attempts: usize = ado.all_notifications().map(|one| one.attempts.len()).sum();
        (ado.all_notifications().count(), attempts, ado.lost().len(), posted_twice(ado))
    });
    let repeats: u32 = stream.env.shell.ci(|ci| ci.started().map(|start| start.repeats).sum());
    let runs = stream.env.shell.ci(|ci| ci.starts());
    println!(
        "seed {seed}: {events} events in {attempts} attempts, {} kills, {runs} runs, {repeats} \
         triggers repeated under their key, {twice} posted twice, down for {down:?} at most",
        PLACES.len(),
    );
    assert!(events >= EVENTS && lost == 0, "{lost} of {events} events were lost on the way");
    assert_eq!(twice, 0, "a status was posted although it was shown already");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_200_pull_request_events_with_reports() {
    survives(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_stream_of_200_events_with_other_places_to_die_at() {
    survives(2).await;
}
