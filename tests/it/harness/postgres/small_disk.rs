//! A disk that a test can fill: a tablespace on a file system of its own with a fixed size.
//!
//! The write-ahead log is elsewhere, so that the server does not stop: it refuses what needs
//! another block, with the code 53100.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use super::database::Database;
use super::folder::{Folder, succeed};
use super::psql::Server;

/// Enough for some databases.
const SIZE: &str = "size=64m";

/// A disk of a running cluster; it is unmounted with the cluster.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    path: PathBuf,
    server: Server,
}

pub(super) fn mount(folder: &Folder, server: &Server) -> SmallDisk {
    let path = folder.join("disk");
    std::fs::create_dir(&path).expect("the folder is writable");
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(&path);
    let what = "mount a small file system, which takes root with the right to mount";
    succeed(what, &command.output().expect("mount is there"));
    let tablespace = path.join("tablespace");
    std::fs::create_dir(&tablespace).expect("it is mounted");
    folder.give_to_server(&tablespace);
    let location = tablespace.display();
    server.sql("postgres", &format!("CREATE TABLESPACE small LOCATION '{location}'"));
    SmallDisk { path, server: server.clone() }
}

impl SmallDisk {
    /// An empty database with all its files on this disk.
    pub(crate) fn database(&self) -> Database {
        Database::create_on(&self.server, Some("small"))
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.path.join("filler")).expect("it is mounted");
        let full = loop {
            if let Err(error) = file.write_all(&[1; 4096]) {
                break error;
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull, "{full}");
    }

    /// Frees what `fill` took.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.path.join("filler")).expect("the disk was filled");
    }
}
