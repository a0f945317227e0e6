//! One second of the soak: what the gateway answered, holds and says of itself. It must never judge
//! what it sees.

use std::time::Instant;

use serde::Serialize;

use crate::children::Server;
use crate::ground::Stocked;
use crate::latencies::Latencies;
use crate::stream::Running;
use crate::tally::as_float;
use crate::{disk, gauges, processor};

const MIB: f64 = 1024.0 * 1024.0;

/// At the end of a second, or over it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// Since the load began.
    pub(crate) seconds: f64,
    pub(crate) accepted_per_second: f64,
    pub(crate) others: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) resident_mib: f64,
    pub(crate) open_files: usize,
    pub(crate) wal_mib: f64,
    /// What was accepted and is not in the database yet.
    pub(crate) journal_mib: f64,
    pub(crate) database_mib: f64,
    pub(crate) undecided: f64,
    /// Rows, since the gateway was started.
    pub(crate) deleted: f64,
    pub(crate) deleted_per_second: f64,
}

impl Sample {
    /// What came since the sample `before`.
    pub(super) async fn take(
        begun: Instant,
        before: Option<&Self>,
        load: &Running,
        server: &Server,
        stocked: &Stocked,
    ) -> anyhow::Result<(Self, Latencies)> {
        let seen = load.stream.take_seen()?;
        let seconds = begun.elapsed().as_secs_f64();
        let gauges = gauges::read(server.address).await?;
        let since = seconds - before.map_or(0.0, |before| before.seconds);
        let process = server.id();
        let mib = |bytes: u64| as_float(bytes) / MIB;
        let files = disk::files_of(&stocked.gateway.database())?;
        let sample = Self {
            seconds,
            accepted_per_second: as_float(seen.accepted) / since,
            others: seen.others.values().sum(),
            p50_ms: seen.latencies.at_ms(0.5),
            p99_ms: seen.latencies.at_ms(0.99),
            resident_mib: processor::resident_mib(process)?,
            open_files: processor::open_files(process)?,
            wal_mib: mib(files.wal),
            journal_mib: mib(files.others),
            database_mib: mib(files.database),
            undecided: gauges.undecided,
            deleted: gauges.deleted,
            deleted_per_second: (gauges.deleted - before.map_or(0.0, |before| before.deleted))
                / since,
        };
        Ok((sample, seen.latencies))
    }
}
