//! A stretch of load on one server, with what it cost the server and the generator.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::deliveries::{Deliveries, Tally};
use crate::load::{self, Load};
use crate::pace::Pace;
use crate::procfs;
use crate::rounds::Measurement;

/// With more of the server's core used by other processes, a measurement says little.
const DISTURBED_CORES: f64 = 0.10;

/// Processor time used so far.
struct Used {
    server: Duration,
    generator: Duration,
    core: Duration,
}

impl Used {
    fn until_now(server: u32) -> anyhow::Result<Self> {
        Ok(Self {
            server: procfs::time_with_children_of(server)?,
            generator: procfs::time_of(std::process::id())?,
            core: procfs::busy_time_of(procfs::SERVER_CORE)?,
        })
    }
}

/// Sends deliveries to a server, whose process is `server`, until the pace is over. The pace begins
/// when all connections are open.
pub(crate) async fn measure(
    subject: impl Into<String>,
    deliveries: &Rc<Deliveries>,
    server: u32,
    connections: usize,
    pace: impl FnOnce() -> Pace,
) -> anyhow::Result<(Measurement, Tally)> {
    let connections = load::open(deliveries.address, connections).await?;
    let (before, begun) = (Used::until_now(server)?, Instant::now());
    let load = Load::start(deliveries.address, connections, deliveries, pace());
    let pace = load.finish().await?;
    let (seconds, after) = (begun.elapsed().as_secs_f64(), Used::until_now(server)?);
    let tally = deliveries.take_tally()?;
    let spent =
        |of: fn(&Used) -> Duration| of(&after).saturating_sub(of(&before)).as_secs_f64() / seconds;
    let server_cores = spent(|used| used.server);
    let other_cores = (spent(|used| used.core) - server_cores).max(0.0);
    let per_second = tally.acknowledged as f64 / seconds;
    let mut measured = Measurement::new(subject, [("accepts_per_second", per_second)]);
    for (figure, value) in
        tally.latencies.figures().into_iter().chain(pace.missed().into_iter().flatten())
    {
        measured.add(figure, value);
    }
    measured.add("server_us_per_accept", server_cores * 1e6 / per_second.max(f64::EPSILON));
    measured.add("server_cores", server_cores);
    measured.add("other_cores", other_cores);
    measured.add("generator_cores", spent(|used| used.generator));
    measured.counts = tally.failures.clone();
    measured.is_disturbed = other_cores > DISTURBED_CORES;
    Ok((measured, tally))
}
