//! What starts another run of a commit and what shows the result that is there: the table of
//! `docs/operations.md` is read and each of its rows is played.

use fakes::ado::NewPullRequest;
use fakes::ci::Behaviour;

use crate::harness::{Env, Gateway, check, newest_status};

const DOCUMENT: &str = include_str!("../../../docs/operations.md");

/// The rows below the heading: what happens, and the outcome without and with `reuse_results`.
fn rows() -> Vec<[&'static str; 3]> {
    let (_, section) = DOCUMENT.split_once("\n## What runs again\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let cells = |line: &'static str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        cells.try_into().expect("a row has three cells")
    };
    lines.map(cells).collect()
}

/// One row that is played: a pull request, and what is known of it.
struct Play<'a> {
    env: &'a Env,
    gateway: &'a Gateway,
    id: u64,
    commit: String,
}

impl Play<'_> {
    async fn begin<'a>(env: &'a Env, gateway: &'a Gateway, with: Behaviour) -> Play<'a> {
        env.shell.ci(|ci| ci.set_default(with));
        let (id, commit) = env.open("topic");
        env.until_started("build", &commit).await;
        Play { env, gateway, id, commit }
    }

    async fn with_result<'a>(env: &'a Env, gateway: &'a Gateway) -> Play<'a> {
        let play = Play::begin(env, gateway, Behaviour::Succeed).await;
        env.until_status(play.id, &play.commit, "build", "succeeded").await;
        env.until_idle(&gateway.api).await;
        play
    }

    /// Its run goes on, and later ones succeed.
    async fn with_live_run<'a>(env: &'a Env, gateway: &'a Gateway) -> Play<'a> {
        let play = Play::begin(env, gateway, Behaviour::NeverReport).await;
        env.until_idle(&gateway.api).await;
        env.shell.ci(|ci| ci.set_default(Behaviour::Succeed));
        play
    }

    async fn force_push_away_and_back(&self) -> usize {
        let other =
            self.env.shell.ado(|ado| ado.force_push(&self.env.repository, "topic", "Other work"));
        self.env.until_status(self.id, &other, "build", "succeeded").await;
        self.env.until_idle(&self.gateway.api).await;
        let starts = self.env.starts();
        self.env.shell.ado(|ado| ado.force_push_to(&self.env.repository, "topic", &self.commit));
        starts
    }

    /// Moves it to another target branch. A hook tells of it with the next event.
    async fn retarget(&self, target: &str) {
        let Env { shell, identity, .. } = self.env;
        let vote = if target == "main" { 5 } else { 10 };
        shell.ado(|ado| ado.retarget(self.id, target));
        shell.ado(|ado| ado.vote(self.id, identity, vote));
        self.env.until_idle(&self.gateway.api).await;
    }

    async fn replay(&self) {
        let deliveries = self.gateway.api.items("/v1/deliveries?outcome=started").await;
        let path = format!("/v1/deliveries/{}/replay", deliveries[0]["id"]);
        assert_eq!(self.gateway.api.post(&path, None).await.0, 202);
    }

    fn open_another(&self, target: &str) -> u64 {
        let new = NewPullRequest::new(&self.env.repository, "topic", target);
        self.env.shell.ado(|ado| ado.open_pull_request(&new))
    }
}

/// Plays a row. Returns its outcome, in the words of the table.
async fn outcome(what: &str, keys: &str, seed: u64) -> &'static str {
    let env = Env::new(seed);
    let gateway =
        Gateway::start_with(&env, |settings| settings.checks = check("build", keys)).await;
    env.shell.ado(|ado| {
        let main = ado.head(&env.repository, "main").unwrap().to_owned();
        ado.create_branch(&env.repository, "release", &main);
    });
    let (env, gateway) = (&env, &gateway);
    let (play, starts) = match what {
        "its delivery comes again" => {
            env.shell.ado(|ado| ado.options.duplicate_percent = 100);
            let play = Play::begin(env, gateway, Behaviour::Succeed).await;
            env.until_status(play.id, &play.commit, "build", "succeeded").await;
            // A duplicate has duplicates of its own.
            env.shell.ado(|ado| ado.options.duplicate_percent = 0);
            (play, 1)
        }
        "its delivery is replayed" => {
            let play = Play::with_result(env, gateway).await;
            play.replay().await;
            (play, 1)
        }
        "its delivery is replayed after its run ended in an error" => {
            let play = Play::begin(env, gateway, Behaviour::Error).await;
            env.until_status(play.id, &play.commit, "build", "error").await;
            env.until_idle(&gateway.api).await;
            env.shell.ci(|ci| ci.set_default(Behaviour::Succeed));
            play.replay().await;
            (play, 1)
        }
        "somebody asks for a rerun" => {
            let play = Play::with_result(env, gateway).await;
            let run = gateway.api.items("/v1/runs").await[0]["id"].clone();
            let path = format!("/v1/runs/{}/rerun", run.as_str().unwrap());
            assert_eq!(gateway.api.post(&path, None).await.0, 202);
            (play, 1)
        }
        "a force-push back to a commit that has a result" => {
            let play = Play::with_result(env, gateway).await;
            let starts = play.force_push_away_and_back().await;
            (play, starts)
        }
        "a force-push back to a commit whose run was superseded" => {
            let play = Play::with_live_run(env, gateway).await;
            let starts = play.force_push_away_and_back().await;
            (play, starts)
        }
        "a retarget to another branch" => {
            let play = Play::with_result(env, gateway).await;
            play.retarget("release").await;
            (play, 1)
        }
        "a retarget back to a branch for which there is a result" => {
            let play = Play::with_result(env, gateway).await;
            play.retarget("release").await;
            play.retarget("main").await;
            (play, 2)
        }
        "it is abandoned and reactivated, with a result" => {
            let play = Play::with_result(env, gateway).await;
            env.shell.ado(|ado| ado.abandon(play.id));
            env.until_idle(&gateway.api).await;
            env.shell.ado(|ado| ado.reactivate(play.id));
            (play, 1)
        }
        "it is abandoned, which cancels its run, and reactivated" => {
            let play = Play::with_live_run(env, gateway).await;
            env.shell.ado(|ado| ado.abandon(play.id));
            env.until_idle(&gateway.api).await;
            env.shell.ado(|ado| ado.reactivate(play.id));
            (play, 1)
        }
        "its branch is used in another pull request into the same branch" => {
            let play = Play::with_result(env, gateway).await;
            env.shell.ado(|ado| ado.abandon(play.id));
            env.until_idle(&gateway.api).await;
            let id = play.open_another("main");
            (Play { id, ..play }, 1)
        }
        "its branch is used in another pull request into another branch" => {
            let play = Play::with_result(env, gateway).await;
            let id = play.open_another("release");
            (Play { id, ..play }, 1)
        }
        unknown => panic!("nobody has said how {unknown:?} is played"),
    };
    env.until_status(play.id, &play.commit, "build", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let newest = env.shell.ado(|ado| newest_status(ado, play.id, &play.commit, "build").cloned());
    let iterations = env.shell.ado(|ado| ado.pull_request(play.id).iterations.len());
    let newest = newest.expect("it shows one");
    assert_eq!(newest.iteration, Some(iterations as u64), "{what}: it is on the newest iteration");
    if env.starts() > starts { "runs" } else { "shows the result" }
}

async fn every_row(column: usize, keys: &str, seed: u64) {
    let rows = rows();
    assert_eq!(rows.len(), 12, "{rows:?}");
    for (number, row) in rows.iter().enumerate() {
        let what = row[0];
        assert_eq!(outcome(what, keys, seed + number as u64).await, row[column], "{what}: {keys}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_again_is_what_the_table_says() {
    every_row(1, "", 9_300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_again_with_reuse_results_is_what_the_table_says() {
    every_row(2, "reuse_results = true", 9_350).await;
}
