//! What a figure was measured on, so that two of them can be compared later. It must never be asked
//! while a latency is measured: it writes to the disk.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::disk;

/// See the module.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) kernel: String,
    pub(crate) memory_mib: Option<f64>,
    /// Median time of having 4 KB on disk, in the folder that was measured.
    pub(crate) fsync_ms: f64,
    /// The source beside this program, with `-dirty` where it was changed since.
    pub(crate) commit: Option<String>,
}

impl Machine {
    /// Measures the disk too.
    pub(crate) fn look(folder: &Path) -> anyhow::Result<Self> {
        let said = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processors = said("/proc/cpuinfo");
        Ok(Self {
            // Not those that this process may use: it is bound to one of them.
            cores: processors.lines().filter(|line| line.starts_with("processor")).count(),
            processor: field(&processors, "model name").unwrap_or_default(),
            kernel: said("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_mib: field(&said("/proc/meminfo"), "MemTotal")
                .and_then(|total| Some(total.strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)),
            fsync_ms: disk::median_fsync_ms(folder)?,
            commit: commit(),
        })
    }
}

/// The first line `name : value` of a file of the kernel.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// Nothing where there is no repository, as where only the binaries were copied.
fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn the_first_of_equal_fields_counts() {
        let text = "processor\t: 0\nmodel name\t: Fast\nmodel name\t: Slow\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Fast"));
        assert_eq!(field(text, "flags"), None);
    }
}
