//! URLs of databases: in the configuration, and on the command line of a move.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::Host;

use crate::secret::Secret;
use crate::storage::{Engine, PostgresOptions, TlsMode};

/// A URL, read.
pub(super) enum Url {
    Sqlite {
        path: PathBuf,
    },
    /// Without `sslmode`.
    Postgres {
        url: String,
        tls: Option<TlsMode>,
    },
}

const TLS_MODES: [(&str, TlsMode); 5] = [
    ("disable", TlsMode::Disable),
    ("prefer", TlsMode::Prefer),
    ("require", TlsMode::Require),
    ("verify-ca", TlsMode::VerifyCa),
    ("verify-full", TlsMode::VerifyFull),
];

/// Why a text is not the URL of a database. It quotes no part of the URL: there may be a password
/// in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("must be sqlite: and the path of a file, or postgres://")]
    Scheme,
    #[error("has an unknown sslmode")]
    SslMode,
    #[error("is not a URL of PostgreSQL")]
    Unreadable,
    #[error("has a password in it")]
    Password,
    #[error("names no {0}")]
    Missing(&'static str),
}

const EXAMPLE: &str = "\"postgres://gateway@db.example.com/gateway?sslmode=verify-full\"";

impl Refusal {
    /// What to write instead as the value of `key`.
    pub(super) fn help(self, key: &str) -> String {
        match self {
            Refusal::Scheme => format!(
                "write {key} = \"sqlite:data/gateway.db\", or {key} = \
                 \"postgres://gateway@db.example.com/gateway\""
            ),
            Refusal::SslMode => {
                format!("write one of {}", TLS_MODES.map(|(name, _)| name).join(", "))
            }
            Refusal::Password => {
                "write password = { env = \"AZDO_GATEWAY_DB_PASSWORD\" }".to_owned()
            }
            Refusal::Unreadable | Refusal::Missing(_) => format!("write {key} = {EXAMPLE}"),
        }
    }
}

impl Url {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Self::of_postgres(text);
        }
        let path = text.strip_prefix("sqlite:").filter(|path| !path.starts_with("//"));
        let path = path.filter(|path| !path.is_empty() && *path != ":memory:");
        path.map(|path| Self::Sqlite { path: path.into() }).ok_or(Refusal::Scheme)
    }

    fn of_postgres(text: &str) -> Result<Self, Refusal> {
        let (before, query) = text.split_once('?').unwrap_or((text, ""));
        let mut tls = None;
        let mut rest = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.strip_prefix("sslmode=") {
                None => rest.push(parameter),
                Some(word) => {
                    let found = TLS_MODES.iter().find(|(name, _)| *name == word);
                    tls = Some(found.ok_or(Refusal::SslMode)?.1);
                }
            }
        }
        let query = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
        let url = format!("{before}{query}");
        let Ok(config) = url.parse::<tokio_postgres::Config>() else {
            return Err(Refusal::Unreadable);
        };
        if config.get_password().is_some() {
            Err(Refusal::Password)
        } else if config.get_hosts().is_empty() {
            Err(Refusal::Missing("host"))
        } else if config.get_user().is_none_or(str::is_empty) {
            Err(Refusal::Missing("user"))
        } else if config.get_dbname().is_none_or(str::is_empty) {
            Err(Refusal::Missing("database"))
        } else {
            Ok(Self::Postgres { url, tls })
        }
    }

    /// The engine of this URL, with these settings if it is PostgreSQL.
    pub(super) fn engine(self, postgres: PostgresOptions) -> Engine {
        match self {
            Self::Sqlite { path } => Engine::Sqlite { path },
            Self::Postgres { url, tls } => Engine::Postgres(PostgresOptions {
                tls: tls.unwrap_or(match postgres.ca_file {
                    Some(_) => TlsMode::VerifyFull,
                    None => default_tls(&url),
                }),
                url,
                ..postgres
            }),
        }
    }
}

/// What `sslmode` is when it is not given: a certificate is checked, except on this machine.
fn default_tls(url: &str) -> TlsMode {
    let is_here = |host: &Host| match host {
        Host::Tcp(name) => {
            let address = name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
            address || name == "localhost"
        }
        Host::Unix(_) => true,
    };
    let config = url.parse::<tokio_postgres::Config>();
    match config.is_ok_and(|config| config.get_hosts().iter().all(is_here)) {
        true => TlsMode::Prefer,
        false => TlsMode::VerifyFull,
    }
}

/// The settings of a PostgreSQL where nothing is set.
pub(super) fn default_settings() -> PostgresOptions {
    PostgresOptions {
        url: String::new(),
        tls: TlsMode::VerifyFull,
        password: None,
        ca_file: None,
        listen_url: None,
        connections: 16,
        statement_timeout: Duration::from_secs(5),
        idle_in_transaction_session_timeout: Duration::from_secs(10),
        pooler: None,
    }
}

/// The engine of a URL on the command line. Its settings are those of `[storage]`, if that is
/// PostgreSQL; so is its password, if that is the same database, and otherwise `password`.
///
/// # Errors
/// It is no such URL, or has a password in it.
pub fn engine(
    url: &str,
    configured: Option<&Engine>,
    password: Option<Secret>,
) -> Result<Engine, Refusal> {
    let url = Url::parse(url)?;
    let settings = match configured {
        Some(Engine::Postgres(settings)) => settings.clone(),
        Some(Engine::Sqlite { .. }) | None => default_settings(),
    };
    let is_same = matches!(&url, Url::Postgres { url, .. } if is_same(url, &settings.url));
    let password = settings.password.clone().filter(|_| is_same).or(password);
    Ok(url.engine(PostgresOptions { password, ..settings }))
}

/// Whether two URLs lead the same user to the same database.
fn is_same(one: &str, other: &str) -> bool {
    let [Ok(one), Ok(other)] = [one, other].map(str::parse::<tokio_postgres::Config>) else {
        return false;
    };
    let ports = |config: &tokio_postgres::Config| match config.get_ports() {
        [] => vec![5432; config.get_hosts().len()],
        [port] => vec![*port; config.get_hosts().len()],
        ports => ports.to_vec(),
    };
    one.get_hosts() == other.get_hosts()
        && ports(&one) == ports(&other)
        && one.get_user() == other.get_user()
        && one.get_dbname() == other.get_dbname()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_postgres(url: &str, configured: &str) -> PostgresOptions {
        let secret = |text: &str| Some(Secret::new(text.to_owned()));
        let settings = PostgresOptions {
            url: configured.to_owned(),
            password: secret("configured"),
            ca_file: Some("ca.pem".into()),
            ..default_settings()
        };
        match engine(url, Some(&Engine::Postgres(settings)), secret("given")) {
            Ok(Engine::Postgres(options)) => options,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn the_password_of_the_configuration_is_for_its_own_database() {
        let password = |url: &str| {
            let options = of_postgres(url, "postgres://gateway@db.example.com/gateway");
            assert_eq!(options.ca_file, Some("ca.pem".into()));
            assert_eq!(options.tls, TlsMode::VerifyFull);
            options.password.map(|password| password.expose().to_owned())
        };
        for (url, expected) in [
            ("postgres://gateway@db.example.com/gateway", "configured"),
            ("postgresql://gateway@db.example.com:5432/gateway?sslmode=verify-full", "configured"),
            ("postgres://gateway@db.example.com:5433/gateway", "given"),
            ("postgres://gateway@other.example.com/gateway", "given"),
            ("postgres://owner@db.example.com/gateway", "given"),
            ("postgres://gateway@db.example.com/other", "given"),
        ] {
            assert_eq!(password(url).as_deref(), Some(expected), "{url}");
        }
    }

    #[test]
    fn a_url_is_refused_without_a_word_of_it() {
        for (url, refusal) in [
            ("postgres://gateway:hunter2@db.example.com/gateway", Refusal::Password),
            ("postgres://gateway@db.example.com/gateway?password=hunter2", Refusal::Password),
            ("mysql://gateway:hunter2@db.example.com/gateway", Refusal::Scheme),
            ("postgres://gateway@db.example.com/", Refusal::Missing("database")),
            ("sqlite:", Refusal::Scheme),
        ] {
            assert_eq!(engine(url, None, None).map(drop), Err(refusal), "{url}");
            assert!(!refusal.to_string().contains("hunter2"));
        }
    }
}
