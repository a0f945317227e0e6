//! Why the database did not do what it was asked for, and what an operator should do about it.

use tokio_postgres::error::SqlState;

use crate::storage::Error;

/// Why a statement or a transaction failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server or the connection to it.
    #[error(transparent)]
    Database(#[from] tokio_postgres::Error),
    /// A stored value cannot be read, or a value cannot be stored.
    #[error("{0}")]
    Value(String),
    /// What a transaction was based on has changed, and it is to be rolled back.
    #[error("what it was based on has changed")]
    Conflict,
    /// Other work of this process has all connections.
    #[error("all connections are in use")]
    Busy,
    /// No connection, or no answer in time.
    #[error("{0}")]
    Connection(String),
}

impl Failure {
    /// Whether another transaction came first: the same transaction succeeds when it is repeated.
    pub(crate) fn is_repeatable(&self) -> bool {
        let codes = [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE];
        self.code().is_some_and(|code| codes.contains(code))
    }

    /// Whether the server, its disk or the way to it is at fault, rather than the statement: then
    /// no other write would succeed either.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Failure::Database(error) => match error.code() {
                Some(code) => is_outage(code),
                None => true,
            },
            Failure::Connection(_) => true,
            Failure::Value(_) | Failure::Conflict | Failure::Busy => false,
        }
    }

    /// Whether repeating does not help until somebody acts: the disk is full, or the server only
    /// reads.
    pub(crate) fn needs_operator(&self) -> bool {
        let codes = [SqlState::DISK_FULL, SqlState::READ_ONLY_SQL_TRANSACTION];
        self.code().is_some_and(|code| codes.contains(code))
    }

    /// The code of the server; none where it said nothing.
    pub(crate) fn code(&self) -> Option<&SqlState> {
        match self {
            Failure::Database(error) => error.code(),
            Failure::Value(_) | Failure::Conflict | Failure::Busy | Failure::Connection(_) => None,
        }
    }

    /// What is wrong and what to do about it.
    pub(crate) fn advice(&self) -> String {
        let cause = match self {
            Failure::Database(error) => match error.as_db_error() {
                Some(error) => return advice(error.code(), error.message()),
                None => causes(error),
            },
            Failure::Value(_) | Failure::Conflict => {
                return format!("a stored value cannot be read: {self}");
            }
            Failure::Busy => {
                return "no connection to the database was free for a second: check its load, or \
                        raise storage.connections"
                    .into();
            }
            Failure::Connection(why) => why.clone(),
        };
        if cause.contains("certificate") {
            return format!(
                "the certificate of the database is not accepted ({cause}): check storage.ca_file, \
                 and the host and sslmode in storage.url"
            );
        }
        format!(
            "the database does not answer ({cause}): check that it runs and that storage.url leads \
             to it"
        )
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Error::Unavailable { advice: failure.advice(), source: None }
    }
}

/// An error with everything that caused it: the outermost one says little.
fn causes(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Classes and codes of PostgreSQL, appendix A: 08 connection, 53 resources, 57P operator, 58
/// system; 25006 is a server that only reads.
fn is_outage(code: &SqlState) -> bool {
    let code = code.code();
    ["08", "53", "57P", "58", "XX"].iter().any(|class| code.starts_with(class)) || code == "25006"
}

fn advice(code: &SqlState, message: &str) -> String {
    let what = format!("the database says: {message}");
    let to_do = match code.code() {
        "28P01" | "28000" => {
            "check the user in storage.url, storage.password, and pg_hba.conf of the server"
        }
        "3D000" => "create the database, or correct its name in storage.url",
        "42501" => {
            "grant the role of storage.url the rights that docs/postgresql.md lists, or let it own \
             the database"
        }
        "53100" => "free some space on the disk of the database, or shorten the retention",
        "53300" => {
            "raise max_connections of the server, or lower storage.connections of the replicas"
        }
        "53200" => "give the database server more memory",
        "25006" => {
            "it only reads: let storage.url lead to the primary, or name all servers in it with \
             target_session_attrs=read-write"
        }
        "57014" => "the statement took longer than storage.statement_timeout: check its load",
        "57P01" | "57P02" | "57P03" => "it is starting or stopping: it is asked again by itself",
        "42P01" | "42703" => "its tables are not those of this version: run `azdo-gateway migrate`",
        _ => "check the log of the database",
    };
    format!("{what}; {to_do}")
}
