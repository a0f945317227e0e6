//! What only PostgreSQL has: the pool of connections, transactions and their repetition, the
//! heartbeat by which processes and outages are noticed, and batches of deliveries.

pub(super) mod connection;
pub(super) mod db;
pub(super) mod failure;
pub(super) mod listen;
pub(super) mod monitor;
pub(super) mod pool;
pub(super) mod rows;
pub(super) mod schema;
pub(super) mod search;
pub(super) mod times;
pub(super) mod tls;
