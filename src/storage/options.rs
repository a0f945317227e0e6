//! What the operator sets for the store. It must never know the file that it came from.

use std::path::PathBuf;
use std::time::Duration;

/// `[storage]`.
#[derive(Clone, Debug)]
pub struct Options {
    pub engine: Engine,
    /// Decided deliveries, ended runs and posted statuses are kept this long.
    pub retention: Duration,
    /// Entries of the audit log are kept this long, which is not shorter.
    pub audit_retention: Duration,
}

/// `url` of `[storage]`.
#[derive(Clone, Debug)]
pub enum Engine {
    /// `sqlite:PATH`.
    Sqlite { path: PathBuf },
}
