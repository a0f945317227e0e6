//! The life of one run at this runner: its folder and its command, what is reported while it runs,
//! and its end.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::calls::{Gateway, Leased};
use super::ending::Ended;
use super::environment::variables;
use super::folder::{Folder, RunFolder};
use super::heartbeat::{Stop, keep_alive};
use super::last_line::words;
use super::log::Log;
use super::output::Output;
use super::process::Process;
use crate::ci::web_link;
use crate::cli::report::{BACKOFF, Sent};
use crate::jitter;

/// How long a command has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(10);
/// How often new words are reported. The gateway takes one report a second.
const REPORT_INTERVAL: Duration = Duration::from_secs(3);
/// How long the end of a run is reported again that the gateway does not take.
const REPEATS_MAX: Duration = Duration::from_secs(24 * 3_600);
/// How often giving a run back is tried; a lease that is not given back runs out.
const RELEASES_MAX: u32 = 5;

/// What the runner does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It takes runs.
    Working,
    /// It takes no more.
    Finishing,
    /// It stops what it runs, and gives that back.
    GivingBack,
}

/// What all runs of a runner have in common.
#[derive(Debug)]
pub(super) struct Jobs {
    pub(super) gateway: Gateway,
    pub(super) folder: Folder,
    pub(super) command: Vec<OsString>,
    /// Of the runner.
    pub(super) name: String,
}

/// What is left to do once the command of a run has ended.
enum Ending {
    Report {
        state: &'static str,
        words: Option<String>,
        url: Option<String>,
    },
    /// Nothing that is reported counts: why.
    Lost(String),
    GiveBack,
}

impl Jobs {
    /// Works on a run to its end.
    pub(super) async fn work(&self, run: Leased, mut phase: watch::Receiver<Phase>) {
        let (stop, mut stopped) = watch::channel(None);
        let working = async {
            if *phase.borrow() != Phase::Working {
                return self.give_back(&run).await;
            }
            let check = run.run.get("check").and_then(Value::as_str).unwrap_or_default();
            tracing::info!(run = run.id, check, "the run is taken");
            match self.execute(&run, &mut stopped, &mut phase).await {
                Ending::Report { state, words, url } => {
                    let report = json!({ "state": state, "description": words, "url": url });
                    self.report_end(&run, report, &mut phase).await;
                }
                Ending::Lost(why) => tracing::warn!(run = run.id, "the lease is lost: {why}"),
                Ending::GiveBack => self.give_back(&run).await,
            }
        };
        let heartbeats = async {
            keep_alive(&self.gateway, &run.lease, run.expires_in, &stop).await;
            // The work ends by itself.
            std::future::pending().await
        };
        tokio::select! {
            () = working => {}
            () = heartbeats => {}
        }
    }

    async fn execute(
        &self,
        run: &Leased,
        stopped: &mut watch::Receiver<Option<Stop>>,
        phase: &mut watch::Receiver<Phase>,
    ) -> Ending {
        let (folder, mut process, output) = match self.start(run) {
            Ok(started) => started,
            Err(error) => {
                let words = format!("{} cannot start the command: {error}", self.name);
                return Ending::Report { state: "errored", words: Some(words), url: None };
            }
        };
        let reporting = self.report_words(run, &folder, &output);
        // However soon the command ends, the run was running before.
        let running = async {
            tokio::join!(watch_over(&mut process, stopped, phase), self.report_running(run)).0
        };
        let (ended, stop) = tokio::select! {
            ended = running => ended,
            never = reporting => match never {},
        };
        let finishing = tokio::task::spawn_blocking(move || {
            output.finish();
            let own = (folder.description(), folder.url());
            folder.delete();
            (own, output.last_line())
        });
        let ((own, url), last_line) = finishing.await.unwrap_or_default();
        match stop {
            Some(Order::GiveBack) => Ending::GiveBack,
            Some(Order::Stop(Stop::Lost(why))) => Ending::Lost(why),
            Some(Order::Stop(Stop::Cancelled(why))) => {
                let words = Some(format!("Cancelled: {why}"));
                Ending::Report { state: "cancelled", words, url: link(url) }
            }
            None => {
                let own = own.as_deref().and_then(words);
                let words = ended.words(own.as_deref(), last_line.as_deref());
                Ending::Report { state: ended.state(), words, url: link(url) }
            }
        }
    }

    fn start(&self, run: &Leased) -> io::Result<(RunFolder, Process, Output)> {
        let folder = self.folder.of_run(&run.id, &run.run)?;
        let (log, path) = Log::create(&self.folder.logs(), &run.id)?;
        let variables = variables(&run.run, folder.files());
        let (process, output) = Process::start(&self.command, &variables, &folder.work)?;
        tracing::info!(run = run.id, log = %path.display(), "the command is started");
        Ok((folder, process, Output::read(output, log)))
    }

    /// Reports that the run has begun, with one attempt.
    async fn report_running(&self, run: &Leased) {
        let words = format!("Running on {}", self.name);
        let report = json!({ "state": "running", "description": words });
        if let Sent::Later(why) | Sent::Refused(_, why) = self.gateway.report(run, &report).await {
            tracing::warn!(run = run.id, "the begin is not reported: {why}");
        }
    }

    /// Reports what the command says, whenever that is new. Never ends.
    async fn report_words(&self, run: &Leased, folder: &RunFolder, output: &Output) -> Infallible {
        let mut reported = (None, None);
        loop {
            tokio::time::sleep(REPORT_INTERVAL).await;
            let said = folder.description().as_deref().and_then(words);
            let current = (said.or_else(|| output.last_line()), link(folder.url()));
            if reported == current {
                continue;
            }
            let (words, url) = &current;
            let report = json!({ "state": "running", "description": words, "url": url });
            match self.gateway.report(run, &report).await {
                Sent::Answered(_) => reported = current,
                Sent::Later(why) | Sent::Refused(_, why) => {
                    tracing::warn!(run = run.id, "its words are not reported: {why}");
                }
            }
        }
    }

    /// Reports the end of a run until the gateway has answered.
    async fn report_end(
        &self,
        run: &Leased,
        mut report: Value,
        phase: &mut watch::Receiver<Phase>,
    ) {
        let begin = Instant::now();
        let mut attempts = 0_u32;
        let state = report.get("state").cloned().unwrap_or_default();
        let state = state.as_str().unwrap_or_default();
        loop {
            let why = match self.gateway.report(run, &report).await {
                Sent::Answered(answer) => {
                    let reason = answer.get("reason").and_then(Value::as_str).unwrap_or_default();
                    return tracing::info!(run = run.id, state, reason, "the run has ended");
                }
                // The state is worth more than the words.
                Sent::Refused(StatusCode::BAD_REQUEST, why)
                    if report.get("description").is_some() =>
                {
                    report = json!({ "state": state });
                    why
                }
                Sent::Refused(_, why) => {
                    return tracing::error!(run = run.id, state, "the end is refused: {why}");
                }
                Sent::Later(why) => why,
            };
            if begin.elapsed() > REPEATS_MAX {
                return tracing::error!(run = run.id, state, "the end is not reported: {why}");
            }
            tracing::warn!(run = run.id, state, "the end is reported again: {why}");
            attempts = attempts.saturating_add(1);
            tokio::select! {
                () = tokio::time::sleep(BACKOFF.wait(attempts, jitter::random(), None)) => {}
                () = until_giving_back(phase) => {
                    return tracing::error!(run = run.id, state, "the end is not reported: {why}");
                }
            }
        }
    }

    async fn give_back(&self, run: &Leased) {
        for attempt in 1..=RELEASES_MAX {
            match self.gateway.release(&run.lease).await {
                Ok(()) => return tracing::info!(run = run.id, "the run is given back"),
                Err((why, true)) if attempt < RELEASES_MAX => {
                    tracing::warn!(run = run.id, "the run is not given back yet: {why}");
                    tokio::time::sleep(BACKOFF.wait(attempt, jitter::random(), None)).await;
                }
                Err((why, _)) => {
                    tracing::warn!(run = run.id, "the run is not given back: {why}");
                    return;
                }
            }
        }
    }
}

/// What a command is told before it has ended.
enum Order {
    Stop(Stop),
    GiveBack,
}

/// Waits for the end of a command; stops it where it is told to. Returns that as well.
async fn watch_over(
    process: &mut Process,
    stopped: &mut watch::Receiver<Option<Stop>>,
    phase: &mut watch::Receiver<Phase>,
) -> (Ended, Option<Order>) {
    let order = tokio::select! {
        ended = process.ended() => return (ended, None),
        stop = until_stopped(stopped) => Order::Stop(stop),
        () = until_giving_back(phase) => Order::GiveBack,
    };
    process.terminate();
    if let Ok(ended) = tokio::time::timeout(GRACE, process.ended()).await {
        return (ended, Some(order));
    }
    process.kill();
    (process.ended().await, Some(order))
}

async fn until_stopped(stopped: &mut watch::Receiver<Option<Stop>>) -> Stop {
    match stopped.wait_for(Option::is_some).await.ok().and_then(|stop| stop.clone()) {
        Some(stop) => stop,
        None => std::future::pending().await,
    }
}

async fn until_giving_back(phase: &mut watch::Receiver<Phase>) {
    if phase.wait_for(|phase| *phase == Phase::GivingBack).await.is_err() {
        std::future::pending().await
    }
}

/// A link that the gateway takes.
fn link(url: Option<String>) -> Option<String> {
    url.as_deref().and_then(web_link)
}
