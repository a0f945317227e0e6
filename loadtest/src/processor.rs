//! Processors: which process may use which, and how much it used. It must never start a process
//! that stays.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;

/// The core of whatever is measured.
pub(crate) const SERVERS: usize = 0;
/// The core of the load generator.
pub(crate) const GENERATOR: usize = 1;
/// Linux counts processor time in hundredths of a second, whatever the kernel's own tick.
const TICK: Duration = Duration::from_millis(10);

/// Whether processes can be bound to cores here.
pub(crate) fn can_pin() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let tried = Command::new("taskset")
        .args(["-c", &GENERATOR.to_string(), "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    cores > GENERATOR && tried.is_ok_and(|status| status.success())
}

/// Binds this process to the generator's core. Threads that run already stay where they are.
pub(crate) fn pin_generator() -> bool {
    let tried = Command::new("taskset")
        .args(["-cp", &GENERATOR.to_string(), &std::process::id().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

/// The processor time that a process used so far, all threads, user and system.
pub(crate) fn time_of(process: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))
        .context("cannot read a child's processor time")?;
    // The name may contain anything, so fields are counted after its closing parenthesis.
    let (_, fields) = stat.rsplit_once(')').context("an unknown form of /proc/*/stat")?;
    let ticks = fields.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u32>);
    let ticks: u32 = ticks.sum::<Result<_, _>>().context("an unknown form of /proc/*/stat")?;
    Ok(TICK * ticks)
}

/// The time that a core worked for anybody so far, the hypervisor's other guests included.
pub(crate) fn busy_time_of(core: usize) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let name = format!("cpu{core}");
    let mut lines = stat.lines().map(str::split_ascii_whitespace);
    let fields = lines.find_map(|mut fields| (fields.next()? == name).then_some(fields));
    let mut busy = 0;
    // user, nice, system, idle, iowait, irq, softirq, steal
    for (place, ticks) in fields.context("no such core in /proc/stat")?.take(8).enumerate() {
        if place != 3 && place != 4 {
            busy += ticks.parse::<u32>().context("an unknown form of /proc/stat")?;
        }
    }
    Ok(TICK * busy)
}

/// The resident memory of a process, in MiB.
pub(crate) fn resident_mib(process: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))
        .context("cannot read a child's memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next());
    Ok(kib.context("an unknown form of /proc/*/status")?.parse::<f64>()? / 1024.0)
}
