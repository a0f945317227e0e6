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
    times_of(process, 2)
}

/// The same with what its children used, those that have ended and those that run.
pub(crate) fn time_of_family(process: u32) -> anyhow::Result<Duration> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_ascii_whitespace().filter_map(|child| child.parse().ok());
    // One that ended meanwhile is counted with its parent the next time.
    let children = children.map(|child| times_of(child, 4).unwrap_or_default());
    Ok(times_of(process, 4)? + children.sum::<Duration>())
}

/// The first two fields are a process's own, the others those of its children that have ended.
fn times_of(process: u32, fields_count: usize) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))
        .context("cannot read a child's processor time")?;
    // The name may contain anything, so fields are counted after its closing parenthesis.
    let (_, fields) = stat.rsplit_once(')').context("an unknown form of /proc/*/stat")?;
    let ticks = fields.split_ascii_whitespace().skip(11).take(fields_count).map(str::parse::<u32>);
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
    memory_mib(process, "VmRSS:")
}

/// The most that it ever was.
pub(crate) fn resident_peak_mib(process: u32) -> anyhow::Result<f64> {
    memory_mib(process, "VmHWM:")
}

/// Files, sockets and whatever else a process has open.
pub(crate) fn open_files(process: u32) -> anyhow::Result<usize> {
    let files = std::fs::read_dir(format!("/proc/{process}/fd"));
    Ok(files.context("cannot list a child's files")?.count())
}

fn memory_mib(process: u32, name: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))
        .context("cannot read a child's memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next());
    Ok(kib.context("an unknown form of /proc/*/status")?.parse::<f64>()? / 1024.0)
}
