//! What the disk can do, and what lies on it. It must never know who writes there.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;

const APPENDS: usize = 200;
const APPEND: [u8; 4096] = [0x5a; 4096];

/// The median time, in milliseconds, of appending 4 KB to a file in `folder` and having it on disk.
pub(crate) fn median_fsync_ms(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("fsync.probe");
    let mut file = File::create(&path).context("cannot create the file for measuring fsync")?;
    let mut took = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        let begun = Instant::now();
        file.write_all(&APPEND)?;
        file.sync_data()?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    std::fs::remove_file(&path)?;
    took.sort_by(f64::total_cmp);
    took.get(APPENDS / 2).copied().context("nothing was measured")
}

/// The bytes of all files in `folder` whose names begin with `prefix`.
pub(crate) fn bytes_of(folder: &Path, prefix: &str) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
