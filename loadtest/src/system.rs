//! What is measured: where a gateway's state is, and how many replicas share it.

use std::fmt;

use clap::ValueEnum;

/// Where the state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Storage {
    /// A file of the gateway.
    Sqlite,
    /// A database server, which the profile starts.
    Postgres,
}

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct System {
    pub(crate) storage: Storage,
    /// At least one, and one only with SQLite.
    pub(crate) replicas: usize,
    /// Whether there is a proxy in front, as there always is before several replicas.
    pub(crate) has_proxy: bool,
}

impl System {
    pub(crate) const SQLITE: Self =
        Self { storage: Storage::Sqlite, replicas: 1, has_proxy: false };

    pub(crate) fn postgres(replicas: usize) -> Self {
        Self { storage: Storage::Postgres, replicas, has_proxy: replicas > 1 }
    }

    pub(crate) fn behind_proxy(self) -> Self {
        Self { has_proxy: true, ..self }
    }
}

impl fmt::Display for System {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.storage {
            Storage::Sqlite => out.write_str("SQLite"),
            Storage::Postgres if self.replicas > 1 => {
                write!(out, "PostgreSQL, {} replicas", self.replicas)
            }
            Storage::Postgres if self.has_proxy => out.write_str("PostgreSQL, proxy"),
            Storage::Postgres => out.write_str("PostgreSQL"),
        }
    }
}
