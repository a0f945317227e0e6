//! The folder of a runner: `logs/`, and below `runs/` a folder for each run, which is deleted with
//! it.
//!
//! The command owns what is in there. So files of it are read with care: it may have put a link or
//! a pipe in their place.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

use super::environment::{Files, for_file};

/// How much of a file with words of the command is read.
const WORDS_BYTES_MAX: u64 = 16 * 1024;
/// `O_NONBLOCK` of Linux: opening a pipe does not wait for its other end.
const NON_BLOCKING: i32 = 0o4000;

/// See the module. Locked as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Opens the folder, and deletes what a runner that was killed has left.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let create = || DirBuilder::new().recursive(true).mode(0o700).create(path);
        create().with_context(|| format!("cannot create the folder {shown}"))?;
        let path = path.canonicalize().with_context(|| format!("cannot read {shown}"))?;
        let lock = File::create(path.join("lock"))
            .with_context(|| format!("cannot write into the folder {shown}"))?;
        if lock.try_lock().is_err() {
            bail!("another runner uses the folder {shown}: give this one another with --dir");
        }
        let folder = Self { path, _lock: lock };
        let runs = folder.path.join("runs");
        if runs.exists() {
            std::fs::remove_dir_all(&runs)
                .with_context(|| format!("cannot delete {}", runs.display()))?;
        }
        Ok(folder)
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Creates the folder of a run.
    pub(super) fn of_run(&self, id: &str, run: &Value) -> io::Result<RunFolder> {
        let path = self.path.join("runs").join(id);
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        let folder = RunFolder {
            run: path.join("run.json"),
            description: path.join("description"),
            url: path.join("url"),
            work: path.join("work"),
            path,
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&folder.work)?;
        std::fs::write(&folder.run, format!("{:#}\n", for_file(run)))?;
        Ok(folder)
    }
}

/// The folder of one run.
#[derive(Clone, Debug)]
pub(super) struct RunFolder {
    path: PathBuf,
    run: PathBuf,
    description: PathBuf,
    url: PathBuf,
    /// Where the command starts; empty.
    pub(super) work: PathBuf,
}

impl RunFolder {
    pub(super) fn files(&self) -> Files<'_> {
        Files { run: &self.run, description: &self.description, url: &self.url }
    }

    /// What the command wants shown.
    pub(super) fn description(&self) -> Option<String> {
        read(&self.description)
    }

    /// The link that the command wants shown.
    pub(super) fn url(&self) -> Option<String> {
        read(&self.url).map(|url| url.trim().to_owned())
    }

    /// Deletes the folder. What cannot be deleted is left, and logged.
    pub(super) fn delete(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!("{} cannot be deleted: {error}", self.path.display());
        }
    }
}

/// The beginning of a file, if it is one: a link could lead to what only the runner may read.
fn read(path: &Path) -> Option<String> {
    let found = path.symlink_metadata().ok().filter(Metadata::is_file)?;
    let file = OpenOptions::new().read(true).custom_flags(NON_BLOCKING).open(path).ok()?;
    let opened = file.metadata().ok()?;
    // Something else may have been put there between the two.
    if (opened.dev(), opened.ino()) != (found.dev(), found.ino()) {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(WORDS_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_plain_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert_eq!(read(&path("missing")), None);
        assert_eq!(read(folder.path()), None);
        std::fs::write(path("words"), "12 of 30\n").unwrap();
        assert_eq!(read(&path("words")).as_deref(), Some("12 of 30\n"));
        std::os::unix::fs::symlink("/proc/self/environ", path("link")).unwrap();
        assert_eq!(read(&path("link")), None);
        std::fs::write(path("long"), vec![b'x'; 100_000]).unwrap();
        assert_eq!(read(&path("long")).unwrap().len() as u64, WORDS_BYTES_MAX);
        let made = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
        assert!(made.success());
        assert_eq!(read(&path("pipe")), None);
    }

    #[test]
    fn a_folder_has_one_runner_and_nothing_of_runs_that_were_left() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let folder = Folder::open(&path).unwrap();
        let taken = Folder::open(&path).unwrap_err().to_string();
        assert!(taken.contains("--dir"), "{taken}");
        let run = folder.of_run("r1", &json!({ "report": { "token": "hidden" } })).unwrap();
        let text = std::fs::read_to_string(&run.run).unwrap();
        assert!(!text.contains("hidden"), "{text}");
        drop(folder);
        drop(Folder::open(&path).unwrap());
        assert!(!run.path.exists());
    }
}
