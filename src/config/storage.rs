//! `[storage]`: the database, and how long rows are kept.

use std::path::PathBuf;
use std::time::Duration;

use crate::storage::{Engine, Migrate, Options, PostgresOptions, TlsMode};

use super::reader::Reader;
use super::secrets;
use super::section::Section;
use super::value::{Range, Value};

/// `[storage]`.
pub(super) fn options(section: Option<Section<'_>>, reader: &Reader<'_>) -> Options {
    let empty = toml::de::DeTable::new();
    let mut section = match section {
        Some(section) => section,
        None => Section::new(reader, "storage", "[storage]", 0, &empty),
    };
    let url = section.value("url", "\"sqlite:data/gateway.db\"");
    let found = url.and_then(|value| database(&value));
    let postgres = postgres(&mut section, matches!(found, Some(Url::Postgres { .. })));
    let engine = match found {
        Some(Url::Postgres { url, tls }) => Engine::Postgres(PostgresOptions {
            tls: tls.unwrap_or(match postgres.ca_file {
                Some(_) => TlsMode::VerifyFull,
                None => default_tls(&url),
            }),
            url,
            ..postgres
        }),
        Some(Url::Sqlite { path }) => Engine::Sqlite { path },
        None => Engine::Sqlite { path: PathBuf::from("data/gateway.db") },
    };
    let migrate = section.value("migrate", "\"auto\"");
    let migrate = migrate.and_then(|value| value.word(&MIGRATE)).unwrap_or(Migrate::Auto);
    let (retention, audit_retention) = retentions(&mut section);
    section.finish();
    Options { engine, retention, audit_retention, migrate }
}

const MIGRATE: [(&str, Migrate); 2] = [("auto", Migrate::Auto), ("manual", Migrate::Manual)];

/// `url`, read.
enum Url {
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

fn database(value: &Value<'_>) -> Option<Url> {
    let text = value.text()?;
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return postgres_url(value, text);
    }
    let path = text.strip_prefix("sqlite:").filter(|path| !path.starts_with("//"));
    let path = path.filter(|path| !path.is_empty() && *path != ":memory:");
    if path.is_none() {
        let help = "write url = \"sqlite:data/gateway.db\", or url = \
                    \"postgres://gateway@db.example.com/gateway\"";
        value.refuse("url must be sqlite: and the path of a file, or postgres://", help);
    }
    path.map(|path| Url::Sqlite { path: PathBuf::from(path) })
}

/// Messages quote no part of the URL: there may be a password in it.
fn postgres_url(value: &Value<'_>, text: &str) -> Option<Url> {
    let (before, query) = text.split_once('?').unwrap_or((text, ""));
    let mut tls = None;
    let mut rest = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.strip_prefix("sslmode=") {
            None => rest.push(parameter),
            Some(word) => {
                let found = TLS_MODES.iter().find(|(name, _)| *name == word);
                let Some((_, mode)) = found else {
                    let words = TLS_MODES.map(|(name, _)| name).join(", ");
                    value.refuse("url has an unknown sslmode", format!("write one of {words}"));
                    return None;
                };
                tls = Some(*mode);
            }
        }
    }
    let query = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
    let url = format!("{before}{query}");
    let example = "write url = \"postgres://gateway@db.example.com/gateway?sslmode=verify-full\"";
    let Ok(config) = url.parse::<tokio_postgres::Config>() else {
        value.refuse("url is not a URL of PostgreSQL", example);
        return None;
    };
    let missing = if config.get_password().is_some() {
        let what = "url has a password in it, which must not be written into this file";
        value.refuse(what, "write password = { env = \"AZDO_GATEWAY_DB_PASSWORD\" }");
        return None;
    } else if config.get_hosts().is_empty() {
        "url names no host"
    } else if config.get_user().is_none_or(str::is_empty) {
        "url names no user"
    } else if config.get_dbname().is_none_or(str::is_empty) {
        "url names no database"
    } else {
        return Some(Url::Postgres { url, tls });
    };
    value.refuse(missing, example);
    None
}

/// What `sslmode` is when it is not given: a certificate is checked, except on this machine.
fn default_tls(url: &str) -> TlsMode {
    use tokio_postgres::config::Host;
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

/// The keys that only PostgreSQL has. Where it is not used they have no effect, which is a warning.
fn postgres(section: &mut Section<'_>, is_used: bool) -> PostgresOptions {
    let unused = |value: &Value<'_>| {
        if !is_used {
            value.warn("url is not one of PostgreSQL, so this has no effect", "leave it out");
        }
    };
    let password = section.value("password", "{ env = \"AZDO_GATEWAY_DB_PASSWORD\" }");
    let password = password.and_then(|value| {
        unused(&value);
        secrets::load(&value, " to the password of the user in url").map(|loaded| loaded.secret)
    });
    let ca_file = section.value("ca_file", "\"/etc/ssl/db.pem\"");
    let ca_file = ca_file.and_then(|value| {
        unused(&value);
        value.text_of(1, 4096).map(PathBuf::from)
    });
    let connections = section.value("connections", "16").and_then(|value| {
        unused(&value);
        connections(&value)
    });
    let statement = section.value("statement_timeout", "5s").and_then(|value| {
        unused(&value);
        value.duration(Range { least: "1s", greatest: "10m", because: "" })
    });
    let idle = section.value("idle_in_transaction_session_timeout", "10s").and_then(|value| {
        unused(&value);
        value.duration(Range { least: "1s", greatest: "10m", because: "" })
    });
    let pooler = section.value("pooler", "true").and_then(|value| {
        unused(&value);
        value.flag()
    });
    PostgresOptions {
        url: String::new(),
        tls: TlsMode::VerifyFull,
        password,
        ca_file,
        connections: connections.unwrap_or(CONNECTIONS),
        statement_timeout: statement.unwrap_or(Duration::from_secs(5)),
        idle_in_transaction_session_timeout: idle.unwrap_or(Duration::from_secs(10)),
        pooler,
    }
}

/// The default of `connections`, and the fewest with which no stage waits for another for ever.
const CONNECTIONS: usize = 16;
const CONNECTIONS_MIN: usize = 4;
const CONNECTIONS_MAX: usize = 1_000;

fn connections(value: &Value<'_>) -> Option<usize> {
    let count = usize::try_from(value.count()?).ok();
    let count = count.filter(|count| (CONNECTIONS_MIN..=CONNECTIONS_MAX).contains(count));
    if count.is_none() {
        let what = format!("connections must be {CONNECTIONS_MIN} to {CONNECTIONS_MAX}");
        value.refuse(what, value.remedy());
    }
    count
}

/// The defaults of `retention` and `audit_retention`.
const RETENTION: Duration = Duration::from_secs(30 * 86_400);
const AUDIT_RETENTION: Duration = Duration::from_secs(365 * 86_400);

/// `retention` and `audit_retention`. The audit log explains what happened to the other rows, so it
/// is kept at least as long as they are.
fn retentions(section: &mut Section<'_>) -> (Duration, Duration) {
    let range = Range { least: "1s", greatest: "3650d", because: "" };
    let rows = section.value("retention", "30d");
    let retention = rows.map_or(Some(RETENTION), |value| value.duration(range));
    let audit = section.value("audit_retention", "365d");
    let audit_retention = audit.map(|value| value.duration(range));
    if let (Some(value), Some(Some(given)), Some(least)) = (audit, audit_retention, retention)
        && given < least
    {
        let least = rows.and_then(|value| value.text()).unwrap_or("30d");
        let help = format!("write audit_retention = {least:?} or more");
        value.refuse("audit_retention is shorter than retention", help);
    }
    let retention = retention.unwrap_or(RETENTION);
    let default = retention.max(AUDIT_RETENTION);
    (retention, audit_retention.flatten().unwrap_or(default))
}
