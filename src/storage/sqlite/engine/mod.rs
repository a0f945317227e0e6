//! What only SQLite has: the thread that writes, the connections that read, the log and its
//! checkpoints, the file and its owner, and the intake in front of the database.

pub(super) mod checkpoint;
pub(super) mod condition;
pub(super) mod connection;
pub(super) mod intake;
pub(super) mod migration;
pub(super) mod owner;
pub(super) mod readers;
pub(super) mod rows;
pub(super) mod search;
pub(super) mod writer;
