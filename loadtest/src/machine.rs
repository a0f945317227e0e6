//! What a figure was measured on, so that two of them can be compared later. Describing the machine
//! writes to its disk, so this is done before or after a measurement.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Context;
use serde::Serialize;

use crate::verdict::Spread;

const APPENDS: usize = 200;
const APPEND: [u8; 4096] = [0x5a; 4096];

/// See the module.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    memory_mib: Option<f64>,
    /// Median time of syncing 4 KB to the disk that holds the measured folder.
    fsync_ms: f64,
    /// The commit of the source beside this program, with `-dirty` where it was changed since.
    commit: Option<String>,
}

impl Machine {
    pub(crate) fn describe(folder: &Path) -> anyhow::Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        Ok(Self {
            // This process may be bound to one of them, so it is not asked how many it may use.
            cores: processors.lines().filter(|line| line.starts_with("processor")).count(),
            processor: field(&processors, "model name").unwrap_or_default(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_mib: field(&read("/proc/meminfo"), "MemTotal")
                .and_then(|total| Some(total.strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)),
            fsync_ms: fsync_ms(folder)?,
            commit: commit(),
        })
    }
}

/// The median time, in milliseconds, of appending 4 KB to a file in `folder` and syncing it.
pub(crate) fn fsync_ms(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join(format!("fsync-{}.probe", std::process::id()));
    let mut file = File::create(&path).context("cannot create the file for measuring fsync")?;
    let mut took_ms = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        let begun = Instant::now();
        file.write_all(&APPEND)?;
        file.sync_data()?;
        took_ms.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    std::fs::remove_file(&path)?;
    Ok(Spread::of(took_ms).median)
}

/// The value of the first line `name : value` of one of the kernel's files.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// Nothing where only the binaries were copied and there is no repository.
fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}
