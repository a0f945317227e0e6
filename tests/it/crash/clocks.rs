//! Replicas whose machines show different times: all go by the clock of the database, so that
//! leases hold, what is due is done in time, and nothing is done twice.

use azdo_gateway::clock::Clock;
use azdo_gateway::domain::time::Timestamp;
use fakes::ci::Behaviour;
use fakes::faults::{Action, Rule};
use serde_json::Value;

use super::consistency::posted_twice;
use crate::harness::{Binary, Database, Env, Replicas, WAIT_MAX, check, compile_c};

const HOUR_S: i64 = 3_600;
/// How long the CI asks to wait before it is asked again.
const RETRY_AFTER_S: u32 = 2;

/// Replica 0 has the right time, and replica 1 has another one.
struct Pair {
    replicas: Replicas,
    env: Env,
    _database: Database,
}

impl Pair {
    async fn start(seed: u64, ahead_s: i64) -> Self {
        let env = Env::new(seed);
        // How far a clock is off is measured to some milliseconds.
        env.shell.ado(|ado| ado.pat_rules.expected_life_ms += 1_000);
        let database = Database::create();
        let mut replicas = Replicas::start_with(&env, 2, |settings| {
            settings.on_postgres(&database.url(), database.password());
            settings.credential = env.service_user("");
            settings.checks = checks();
        })
        .await;
        shift(&mut replicas.all[1], ahead_s).await;
        replicas.until_ready().await;
        env.link(&replicas.url).await;
        Self { env, replicas, _database: database }
    }

    /// The load balancer serves this one only.
    fn serve_only(&self, one: usize) {
        self.replicas.balancer.set(&[self.replicas.all[one].settings.listen.as_str()]);
    }

    /// While the answer to such a request of one replica is delayed, the other one does other work
    /// and leaves that to the first.
    async fn leases_hold(&self, holder: usize, path: &str, held: usize) {
        let (env, other) = (&self.env, 1 - holder);
        self.replicas.all[other].pause();
        self.serve_only(holder);
        let rule = Rule::new("POST", path, Action::Hold { before: true }).next(1);
        env.shell.ado(|ado| ado.faults.add(rule.clone()));
        env.shell.ci(|ci| ci.faults.add(rule));
        let (held_id, held_commit) = env.open(&format!("held-{held}"));
        let is_held = env.shell.wait_for_held(WAIT_MAX, held).await.is_some();
        assert!(is_held, "{path}: replica {holder} never made the request");
        env.shell.ado(|ado| ado.faults.clear());
        env.shell.ci(|ci| ci.faults.clear());
        self.replicas.all[other].resume();
        self.serve_only(other);
        for number in 0..3 {
            let (id, commit) = env.open(&format!("beside-{held}-{number}"));
            env.until_status(id, &commit, "unit-tests", "succeeded").await;
        }
        env.shell.release();
        env.until_status(held_id, &held_commit, "unit-tests", "succeeded").await;
        self.replicas.balance();
    }

    /// What is due in seconds is done then, and what is due in half an hour is not done yet.
    async fn due_times_hold(&self) {
        let env = &self.env;
        let unavailable = Behaviour::Unavailable { times: 1, retry_after_s: RETRY_AFTER_S };
        env.shell.ci(|ci| {
            ci.set_for_check("repeated", unavailable);
            ci.set_for_check("hanging", Behaviour::NeverReport);
            ci.set_for_check("slow", Behaviour::NeverReport);
        });
        let pushed: Vec<String> = (0..4).map(|it| env.push(&format!("release/{it}"))).collect();
        for commit in &pushed {
            env.until_commit_status(commit, "hanging", "error").await;
            env.until_commit_status(commit, "repeated", "succeeded").await;
            let run = env.until_started("repeated", commit).await;
            let waited_ms = env.shell.ci(|ci| {
                let reported = ci.answers().iter().find(|one| one.run == run);
                let asked_ms = ci.start(&run).map(|start| start.at_ms);
                reported.zip(asked_ms).map(|(reported, asked_ms)| reported.at_ms - asked_ms)
            });
            let at_least_ms = i64::from(RETRY_AFTER_S) * 1_000;
            assert!(waited_ms.is_some_and(|ms| ms >= at_least_ms), "{waited_ms:?} ms");
        }
        let live = self.replicas.api.items("/v1/runs?check=slow&state=dispatched").await;
        assert_eq!(live.len(), pushed.len(), "one has timed out early: {live:?}");
    }

    /// Nothing was done twice, and no token was taken for expired or for somebody else's.
    fn check(&self) {
        let env = &self.env;
        env.check_invariants();
        let (twice, repeated) = (
            env.shell.ado(|ado| posted_twice(ado)),
            env.shell.ci(|ci| {
                let expected = |check: &str| if check == "repeated" { 2 } else { 1 };
                let more = ci.triggered().filter(|one| one.attempts != expected(&one.check));
                more.map(|one| format!("{} {} times", one.check, one.attempts)).collect::<Vec<_>>()
            }),
        );
        assert_eq!((twice, repeated), (0, vec![]), "posted twice, triggered again");
        assert_eq!(env.shell.entra(|entra| entra.asked("refresh_token")), 0);
        let used_again = |ado: &fakes::ado::World| {
            ado.pats().iter().filter(|pat| pat.used + pat.refused_uses > 1).count()
        };
        assert_eq!(env.shell.ado(|ado| used_again(ado)), 0);
    }
}

/// Pull requests start one check; pushes to release branches those whose runs do not go well.
fn checks() -> String {
    let of_releases = |timeout: &str| {
        format!("on = [\"push\"]\nbranches = [\"release/*\"]\ntimeout = \"{timeout}\"")
    };
    [
        check("unit-tests", "on = [\"pull_request\"]\ntarget_branches = [\"main\"]"),
        check("repeated", &of_releases("30m")),
        check("hanging", &of_releases("3s")),
        check("slow", &of_releases("30m")),
    ]
    .concat()
}

/// Starts a replica again on a machine whose clock is this much ahead.
async fn shift(replica: &mut Binary, ahead_s: i64) {
    replica.terminate();
    replica.wait();
    let folder = replica.settings.folder.clone();
    let preloaded = compile_c("shift_clock.c", &folder, &["-shared", "-fPIC"]);
    let variables =
        [("LD_PRELOAD", preloaded.display().to_string()), ("CLOCK_AHEAD_S", ahead_s.to_string())];
    replica.settings.environment.extend(variables.map(|(name, value)| (name.to_owned(), value)));
    let before = replica.log().lines().count();
    replica.restart().await;
    // Lines of its log have the time of its machine.
    let log = replica.log();
    let line = log.lines().nth(before).expect("it logs when it starts");
    let line: Value = serde_json::from_str(line).expect("it logs JSON");
    let logged = line["timestamp"].as_str().and_then(Timestamp::parse).expect("it has a time");
    let shown_s = (logged.ms() - Clock::system().now().ms()) / 1_000;
    assert!((shown_s - ahead_s).abs() < HOUR_S / 2, "its clock is {shown_s} s ahead");
}

/// Nothing is done twice, too early or too late.
async fn holds_with_a_clock(seed: u64, ahead_s: i64) {
    let pair = Pair::start(seed, ahead_s).await;
    pair.leases_hold(0, "/ci/start", 1).await;
    pair.leases_hold(1, "/ci/start", 2).await;
    pair.leases_hold(0, "/pullrequests/", 3).await;
    pair.leases_hold(1, "/pullrequests/", 4).await;
    pair.due_times_hold().await;
    pair.check();
    let Pair { replicas, env, _database } = pair;
    replicas.stop();
    env.until_all_revoked().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_and_due_times_hold_for_a_replica_whose_clock_is_an_hour_ahead() {
    holds_with_a_clock(1, HOUR_S).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_and_due_times_hold_for_a_replica_whose_clock_is_an_hour_behind() {
    holds_with_a_clock(2, -HOUR_S).await;
}
