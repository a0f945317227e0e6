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

/// Bytes of a database and of what lies beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) database: u64,
    pub(crate) wal: u64,
    /// Neither the database nor SQLite's own: whatever else is named after it.
    pub(crate) others: u64,
}

/// Files that vanish meanwhile are not counted.
pub(crate) fn files_of(database: &Path) -> anyhow::Result<Files> {
    let name = database.file_name().context("a database without a name")?.to_string_lossy();
    let folder = database.parent().context("a database without a folder")?;
    let mut files = Files::default();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        let file = file.to_string_lossy();
        let Some(suffix) = file.strip_prefix(name.as_ref()) else { continue };
        let Ok(bytes) = entry.metadata().map(|metadata| metadata.len()) else { continue };
        match suffix {
            "" => files.database += bytes,
            "-wal" => files.wal += bytes,
            "-shm" | ".lock" => {}
            _ => files.others += bytes,
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::{Files, files_of};

    #[test]
    fn files_are_told_apart_by_what_follows_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let names =
            [("a.db", 1), ("a.db-wal", 2), ("a.db-shm", 4), ("a.db-journal-1", 8), ("b.db", 16)];
        for (name, bytes) in names {
            std::fs::write(folder.path().join(name), vec![0; bytes]).unwrap();
        }
        let files = files_of(&folder.path().join("a.db")).unwrap();
        assert_eq!(files, Files { database: 1, wal: 2, others: 8 });
    }
}
