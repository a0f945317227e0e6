//! What only SQLite has: the thread that writes, the connections that read, checkpoints, the lock
//! on the file, and the intake in front of the database.

pub(super) mod checkpoint;
pub(super) mod connection;
pub(super) mod disk_faults;
pub(super) mod file_access;
pub(super) mod file_lock;
pub(super) mod intake;
pub(super) mod readers;
pub(super) mod rows;
pub(super) mod schema;
pub(super) mod search;
pub(super) mod times;
pub(super) mod writer;
