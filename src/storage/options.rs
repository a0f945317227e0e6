//! The settings of the store.

use std::path::PathBuf;
use std::time::Duration;

/// `[storage]`.
#[derive(Clone, Debug)]
pub struct Options {
    pub engine: Engine,
    /// Decided deliveries, ended runs and posted statuses are kept this long.
    pub retention: Duration,
    /// Entries of the audit log are kept this long; not shorter than `retention`.
    pub audit_retention: Duration,
}

/// `url` of `[storage]`.
#[derive(Clone, Debug)]
pub enum Engine {
    /// `sqlite:PATH`.
    Sqlite { path: PathBuf },
}
