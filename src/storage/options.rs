//! The settings of the store.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

/// `[storage]`.
#[derive(Clone, Debug)]
pub struct Options {
    pub engine: Engine,
    /// Decided deliveries, ended runs and posted statuses are kept this long.
    pub retention: Duration,
    /// Entries of the audit log are kept this long; not shorter than `retention`.
    pub audit_retention: Duration,
    /// Whether a start migrates the schema.
    pub migrate: Migrate,
}

/// `migrate` of `[storage]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrate {
    /// A start migrates the schema first, one process at a time.
    Auto,
    /// A start refuses a schema that is older; `azdo-gateway migrate` migrates it.
    Manual,
}

/// `url` of `[storage]`.
#[derive(Clone, Debug)]
pub enum Engine {
    /// `sqlite:PATH`.
    Sqlite { path: PathBuf },
    /// `postgres://USER@HOST/DATABASE`.
    Postgres(PostgresOptions),
}

/// The settings that only PostgreSQL has.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Without `sslmode` and without a password, as libpq reads it.
    pub url: String,
    pub tls: TlsMode,
    pub password: Option<Secret>,
    /// The certificates that sign that of the server (PEM); none for those of the system.
    pub ca_file: Option<PathBuf>,
    /// A way to the same database past a pooler, for the connection that listens to other
    /// processes; none for `url`.
    pub listen_url: Option<String>,
    /// The most connections of this process, besides one that watches the database and one that
    /// listens.
    pub connections: usize,
    /// The longest time that one statement may take.
    pub statement_timeout: Duration,
    /// How long a transaction may stay open between two statements.
    pub idle_in_transaction_session_timeout: Duration,
    /// Whether there is a pooler in transaction mode in between; none to find out.
    pub pooler: Option<bool>,
}

/// `sslmode` of the URL, as libpq defines it
/// (<https://www.postgresql.org/docs/current/libpq-ssl.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    Disable,
    /// TLS where the server offers it, without a check of its certificate.
    Prefer,
    /// TLS without a check of the certificate, unless there is a `ca_file`.
    Require,
    /// TLS, and a certificate that is signed as it should be, for whatever host.
    VerifyCa,
    /// TLS, and a certificate for this host.
    VerifyFull,
}
