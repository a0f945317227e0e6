//! Receivers: how each is started, what it promises by its documentation and code, and where what
//! it kept is counted. It must never say of one what was not seen.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::Measured;
use super::load::load;
use super::programs::Program;
use super::settings;
use crate::bodies::Bodies;
use crate::caller::Caller;
use crate::children::{Server, free_address};
use crate::connections::{Connection, Target};
use crate::gateway::{Gateway, OPERATOR, Setting};
use crate::{filler, gauges};

const STOP_MAX: Duration = Duration::from_secs(30);
/// What is kept is counted when it has stayed the same for so long, or after so long at most.
const QUIET: Duration = Duration::from_millis(700);
const QUIET_MAX: Duration = Duration::from_secs(30);
const LOG: &str = "receiver.log";

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Gateway,
    Webhook,
    Buildbot,
    Flask,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Gateway, Self::Webhook, Self::Buildbot, Self::Flask];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "azdo-gateway",
            Self::Webhook => "webhook",
            Self::Buildbot => "buildbot",
            Self::Flask => "flask-sqlite",
        }
    }

    /// What it does before it answers, as it is configured here.
    pub(super) fn promise(self) -> &'static str {
        match self {
            Self::Gateway => "on disk (fsync) before it answers",
            Self::Webhook => "nothing is stored; a command is started after the answer",
            Self::Buildbot => "a change committed to SQLite (WAL, fsync) before it answers",
            Self::Flask => "a row committed to SQLite (WAL, fsync) before it answers",
        }
    }
}

/// A receiver that runs.
#[derive(Debug)]
pub(super) struct Contestant {
    pub(super) measured: Measured,
    server: Server,
    target: Rc<Target>,
    /// Of the gateway only.
    gateway: Option<Gateway>,
    folder: PathBuf,
    /// The number of the next delivery.
    next: u64,
}

impl Contestant {
    pub(super) async fn start(
        kind: Kind,
        program: &Program,
        folder: &Path,
        bodies: &Rc<Bodies>,
        pinned: bool,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let basic = STANDARD.encode(format!("{}:{}", settings::USER, settings::PASSWORD));
        let authorization = format!("Basic {basic}");
        let log = || File::create(folder.join(LOG));
        let (mut server, path, authorization, gateway) = match kind {
            Kind::Gateway => {
                let gateway = Gateway::prepare(&program.path, folder, Setting::of_nobody()?)?;
                let hook = gateway.hook()?;
                (gateway.serve(pinned)?, hook.path, hook.authorization, Some(gateway))
            }
            Kind::Webhook => {
                let command = settings::webhook(&program.path, folder, address, &authorization)?;
                let server = Server::start(kind.name(), &command, address, pinned, log()?)?;
                (server, "/hooks/loadtest".to_owned(), authorization, None)
            }
            Kind::Buildbot => {
                let command = settings::buildbot(&program.path, folder, address)?;
                let server = Server::start(kind.name(), &command, address, pinned, log()?)?;
                (server, "/change_hook/base".to_owned(), authorization, None)
            }
            Kind::Flask => {
                let command = settings::flask(&program.path, folder, address)?;
                let server = Server::start(kind.name(), &command, address, pinned, log()?)?;
                (server, "/hook".to_owned(), authorization, None)
            }
        };
        let alive = if kind == Kind::Gateway { "/livez" } else { "/" };
        server.wait_until_found(alive).await?;
        let target = Target::new(server.address, &path, &authorization, Rc::clone(bodies));
        let measured = Measured {
            kind,
            version: program.version.clone(),
            connections: 1,
            rounds: Vec::new(),
            acknowledged: 0,
            others: 0,
            kept: 0,
            kept_of_two: 0,
        };
        let (target, folder) = (Rc::new(target), folder.to_owned());
        let started = Self { measured, server, target, gateway, folder, next: 0 };
        started.server.pause()?;
        Ok(started)
    }

    /// The number of connections that gives the most; it warms up along the way.
    pub(super) async fn find_connections(
        &mut self,
        tried: &[usize],
        time: Duration,
    ) -> anyhow::Result<()> {
        let mut most = 0.0;
        for connections in tried.iter().copied() {
            let per_second = self.load(connections, time).await?.per_second;
            if per_second <= most {
                break;
            }
            (most, self.measured.connections) = (per_second, connections);
        }
        Ok(())
    }

    pub(super) async fn round(&mut self, time: Duration) -> anyhow::Result<()> {
        let load = self.load(self.measured.connections, time).await?;
        self.measured.rounds.push(load);
        Ok(())
    }

    /// Everybody else is paused, and whatever this one does afterwards is awaited.
    async fn load(&mut self, connections: usize, time: Duration) -> anyhow::Result<super::Load> {
        self.server.resume()?;
        let (load, next) =
            load(&self.target, self.server.id(), self.next, connections, time).await?;
        self.next = next;
        self.measured.acknowledged += load.succeeded;
        self.measured.others += load.others.values().sum::<u64>();
        self.kept_at_last().await?;
        self.server.pause()?;
        Ok(load)
    }

    pub(super) async fn finish(mut self) -> anyhow::Result<Measured> {
        self.server.resume()?;
        self.measured.kept = self.kept_at_last().await?;
        // One of the first, which was acknowledged long ago, if anything was.
        let known = (0..self.next).find(|number| self.target.has_keys(*number)).unwrap_or_default();
        let mut connection = Connection::open(self.server.address).await?;
        let mut request = Vec::new();
        for _ in 0..2 {
            self.target.render(known, &mut request)?;
            let status = connection.send(&request).await?.status;
            ensure!((200..300).contains(&status), "a repetition was answered {status}");
        }
        let kept = self.kept_at_last().await?;
        self.measured.kept_of_two = kept.saturating_sub(self.measured.kept);
        self.server.stop(STOP_MAX).await?;
        Ok(self.measured)
    }

    /// Waits until it does not change any more.
    async fn kept_at_last(&self) -> anyhow::Result<u64> {
        if self.gateway.is_some() {
            gauges::settled_at_last(self.server.address).await?.context("it does not decide")?;
        }
        let begun = Instant::now();
        let (mut kept, mut since) = (self.kept().await?, begun);
        while since.elapsed() < QUIET && begun.elapsed() < QUIET_MAX {
            tokio::time::sleep(QUIET / 5).await;
            let now = self.kept().await?;
            if now != kept {
                (kept, since) = (now, Instant::now());
            }
        }
        Ok(kept)
    }

    async fn kept(&self) -> anyhow::Result<u64> {
        match self.measured.kind {
            Kind::Gateway => {
                let caller = Caller::with_token(self.server.address, OPERATOR);
                let newest = caller.get("/v1/deliveries?limit=1").await?;
                let id = newest.pointer("/items/0/id").and_then(filler::as_number);
                Ok(id.unwrap_or_default())
            }
            Kind::Webhook => {
                let made = std::fs::read_dir(self.folder.join("made"))?;
                Ok(u64::try_from(made.count())?)
            }
            Kind::Buildbot => rows(&self.folder.join("master/state.sqlite"), "changes"),
            Kind::Flask => rows(&self.folder.join("receiver.db"), "delivery"),
        }
    }
}

/// Rows of a table in somebody else's database, which is in use.
fn rows(path: &Path, table: &str) -> anyhow::Result<u64> {
    let db = rusqlite::Connection::open(path)?;
    db.busy_timeout(STOP_MAX)?;
    let count: i64 =
        db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// The end of what it said.
pub(super) fn last_words(kind: Kind, folder: &Path) -> String {
    let logs = [LOG, "gateway.log", "master/twistd.log"];
    let said = logs.iter().filter_map(|log| std::fs::read_to_string(folder.join(log)).ok());
    let said: String = said.collect();
    let last: Vec<&str> = said.trim_end().lines().rev().take(3).collect();
    format!("{} said last: {}", kind.name(), last.join(" / "))
}
