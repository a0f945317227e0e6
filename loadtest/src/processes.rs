//! The processes that work during a measurement, and the processor time that each kind of them
//! takes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::rounds::Measurement;
use crate::{cores, procfs};

/// See the module. This process is always one of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processes {
    /// Each with its children.
    pub(crate) servers: Vec<u32>,
    /// The first process of a database server, whose children are the others.
    pub(crate) database: Option<u32>,
    /// The thread of this process that is the proxy, in `/proc`.
    pub(crate) proxy: Option<PathBuf>,
}

/// Processor time used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) at: Instant,
    pub(crate) servers: Duration,
    pub(crate) database: Option<Duration>,
    pub(crate) proxy: Option<Duration>,
    /// This process without the proxy.
    pub(crate) loadtest: Duration,
    /// The server's core, by any process.
    server_core: Duration,
    /// All cores, by any process.
    pub(crate) all_cores: Duration,
}

/// Processor time used between two moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    before: Used,
    after: Used,
}

impl Processes {
    pub(crate) fn of(server: u32) -> Self {
        Self { servers: vec![server], ..Self::default() }
    }

    pub(crate) fn used(&self) -> anyhow::Result<Used> {
        let servers = self.servers.iter().map(|server| procfs::time_with_children_of(*server));
        let database = self.database.map(procfs::time_with_children_of).transpose()?;
        let proxy = self.proxy.as_ref().map(|task| procfs::time_of_task(task)).transpose()?;
        let all_threads = procfs::time_of(std::process::id())?;
        let loadtest = all_threads.saturating_sub(proxy.unwrap_or_default());
        Ok(Used {
            at: Instant::now(),
            servers: servers.sum::<anyhow::Result<Duration>>()?,
            database,
            proxy,
            loadtest,
            server_core: procfs::busy_time_of(cores::SERVER)?,
            all_cores: (0..cores::count()).map(procfs::busy_time_of).sum::<anyhow::Result<_>>()?,
        })
    }
}

impl Spent {
    pub(crate) fn between(before: Used, after: Used) -> Self {
        Self { before, after }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.after.at.saturating_duration_since(self.before.at).as_secs_f64()
    }

    /// How many cores some of it kept busy.
    pub(crate) fn cores(&self, of: fn(&Used) -> Duration) -> f64 {
        of(&self.after).saturating_sub(of(&self.before)).as_secs_f64() / self.seconds()
    }

    /// What some of it spent on each of `count` things, in microseconds.
    pub(crate) fn each_us(&self, of: fn(&Used) -> Duration, count: f64) -> f64 {
        self.cores(of) * self.seconds() * 1e6 / count.max(1.0)
    }

    /// What processes other than these took of their cores. A single server is on a core of its
    /// own; with a database, all cores are looked at.
    pub(crate) fn other_cores(&self) -> f64 {
        let others = if self.after.database.is_some() {
            self.cores(|used| used.all_cores) - self.cores(Used::ours)
        } else {
            self.cores(|used| used.server_core) - self.cores(|used| used.servers)
        };
        others.max(0.0)
    }

    /// Adds what each of `count` things cost the database and the proxy, in processor time.
    pub(crate) fn add_to(&self, measured: &mut Measurement, count: f64, names: [&'static str; 2]) {
        let [database, proxy] = names;
        let mut add = |each, all, of| {
            measured.add(each, self.each_us(of, count));
            measured.add(all, self.cores(of));
        };
        if self.after.database.is_some() {
            add(database, "database_cores", |used| used.database.unwrap_or_default());
        }
        if self.after.proxy.is_some() {
            add(proxy, "proxy_cores", |used| used.proxy.unwrap_or_default());
        }
    }
}

impl Used {
    pub(crate) fn ours(&self) -> Duration {
        let others = [self.database, self.proxy].map(Option::unwrap_or_default);
        self.servers + self.loadtest + others.into_iter().sum::<Duration>()
    }
}
