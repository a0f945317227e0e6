//! PostgreSQL for tests: a `Database` of its own on the cluster of the test run, and a `Cluster` of
//! its own for a test that stops, breaks or replaces the server.
//!
//! Statements of tests go through `psql`, so that nothing of the gateway is trusted here.

mod cluster;
mod database;
mod folder;
mod pgbouncer;
mod psql;
mod small_disk;
mod tests;
mod tls;

pub(crate) use cluster::{Cluster, Stop};
pub(crate) use database::Database;
pub(crate) use pgbouncer::PgBouncer;
pub(crate) use psql::{Server, answer, client_program};
pub(crate) use small_disk::SmallDisk;
