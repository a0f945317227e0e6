//! A stretch of load on one server, with what it cost the server and the generator.

use std::rc::Rc;

use crate::deliveries::{Deliveries, Tally};
use crate::load::{self, Load};
use crate::pace::Pace;
use crate::processes::{Processes, Spent};
use crate::rounds::Measurement;

/// With more of the cores used by other processes, a measurement says little.
const DISTURBED_CORES: f64 = 0.10;

/// Sends deliveries to a server until the pace is over. The pace begins when all connections are
/// open.
pub(crate) async fn measure(
    subject: impl Into<String>,
    deliveries: &Rc<Deliveries>,
    processes: &Processes,
    connections: usize,
    pace: impl FnOnce() -> Pace,
) -> anyhow::Result<(Measurement, Tally)> {
    let connections = load::open(deliveries.address, connections).await?;
    let before = processes.used()?;
    let load = Load::start(deliveries.address, connections, deliveries, pace());
    let pace = load.finish().await?;
    let spent = Spent::between(before, processes.used()?);
    let tally = deliveries.take_tally()?;
    let (accepts, server_cores) = (tally.acknowledged as f64, spent.cores(|used| used.servers));
    let per_second = accepts / spent.seconds();
    let mut measured = Measurement::new(subject, [("accepts_per_second", per_second)]);
    for (figure, value) in
        tally.latencies.figures().into_iter().chain(pace.missed().into_iter().flatten())
    {
        measured.add(figure, value);
    }
    let server_us = server_cores * 1e6 / per_second.max(f64::EPSILON);
    measured.add("server_us_per_accept", server_us);
    measured.add("server_cores", server_cores);
    spent.add_to(&mut measured, accepts, ["database_us_per_accept", "proxy_us_per_accept"]);
    let other_cores = spent.other_cores();
    measured.add("other_cores", other_cores);
    measured.add("generator_cores", spent.cores(|used| used.loadtest));
    measured.counts = tally.failures.clone();
    measured.is_disturbed = other_cores > DISTURBED_CORES;
    Ok((measured, tally))
}
