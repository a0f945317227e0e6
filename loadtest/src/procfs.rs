//! Processes and cores as Linux sees them: which process may use which core, and how much processor
//! time, memory and files it used.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::cores::{self, GENERATOR};

/// Linux counts processor time in hundredths of a second, whatever the kernel's own tick.
const TICK: Duration = Duration::from_millis(10);

/// Whether processes can be bound to cores here.
pub(crate) fn can_pin() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores > GENERATOR && taskset(&["-c", &GENERATOR.to_string(), "true"])
}

/// Binds this process to the generator's core. Threads that run already stay where they are.
pub(crate) fn pin_generator() -> bool {
    pin_this_process(&GENERATOR.to_string())
}

/// Lets this process use all cores again.
pub(crate) fn unpin_generator() -> bool {
    pin_this_process(&format!("0-{}", cores::count() - 1))
}

fn pin_this_process(cores: &str) -> bool {
    taskset(&["-cp", cores, &std::process::id().to_string()])
}

fn taskset(arguments: &[&str]) -> bool {
    let mut command = Command::new("taskset");
    let status = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The processor time that a process used so far in all its threads, user and system.
pub(crate) fn time_of(process: u32) -> anyhow::Result<Duration> {
    sum_of_times(&of_process(process), 2)
}

/// The same for one thread, by its folder below `/proc`.
pub(crate) fn time_of_task(task: &Path) -> anyhow::Result<Duration> {
    sum_of_times(task, 2)
}

/// The same with what its children used, those that run and those that have ended.
pub(crate) fn time_with_children_of(process: u32) -> anyhow::Result<Duration> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_ascii_whitespace().filter_map(|child| child.parse().ok());
    // A child that ended meanwhile is counted with its parent the next time.
    let children = children.map(|child| sum_of_times(&of_process(child), 4).unwrap_or_default());
    Ok(sum_of_times(&of_process(process), 4)? + children.sum::<Duration>())
}

fn of_process(process: u32) -> PathBuf {
    Path::new("/proc").join(process.to_string())
}

/// The first two of the four times are the process's own, the others those of its ended children.
fn sum_of_times(task: &Path, count: usize) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(task.join("stat"))
        .context("cannot read the processor time of a process")?;
    // The name may contain anything, so fields are counted after its closing parenthesis.
    let (_, fields) = stat.rsplit_once(')').context("an unknown form of /proc/*/stat")?;
    let ticks = fields.split_ascii_whitespace().skip(11).take(count).map(str::parse::<u32>);
    let ticks: u32 = ticks.sum::<Result<_, _>>().context("an unknown form of /proc/*/stat")?;
    Ok(TICK * ticks)
}

/// The time that a core worked so far for any process, the hypervisor's other guests included.
pub(crate) fn busy_time_of(core: usize) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let name = format!("cpu{core}");
    let mut lines = stat.lines().map(str::split_ascii_whitespace);
    let fields = lines.find_map(|mut fields| (fields.next()? == name).then_some(fields));
    let mut busy = 0;
    // user, nice, system, idle, iowait, irq, softirq, steal
    for (position, ticks) in fields.context("no such core in /proc/stat")?.take(8).enumerate() {
        if position != 3 && position != 4 {
            busy += ticks.parse::<u32>().context("an unknown form of /proc/stat")?;
        }
    }
    Ok(TICK * busy)
}

/// The resident memory of a process in MiB: now, and at its largest.
pub(crate) fn resident_mib(process: u32) -> anyhow::Result<[f64; 2]> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))
        .context("cannot read the memory of a process")?;
    let field = |name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0).context("an unknown form of /proc/*/status")
    };
    Ok([field("VmRSS:")?, field("VmHWM:")?])
}

/// How many files and sockets a process has open.
pub(crate) fn open_files(process: u32) -> anyhow::Result<usize> {
    let folder = format!("/proc/{process}/fd");
    // Only root may list those of the gateway, which is not dumpable; Linux 6.2 and later tell
    // their number to everybody.
    if let Ok(files) = std::fs::read_dir(&folder) {
        return Ok(files.count());
    }
    let folder = std::fs::metadata(folder).context("cannot count the open files of a process")?;
    Ok(usize::try_from(folder.len())?)
}
