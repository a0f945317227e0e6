//! `[storage]`: the database, and how long rows are kept.

use std::path::PathBuf;
use std::time::Duration;

use crate::storage::{Engine, Migrate, Options, PostgresOptions};

use super::database::{Refusal, Url, default_settings};
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
    let found = url.and_then(|value| database(&value, "url"));
    let postgres = postgres(&mut section, matches!(found, Some(Url::Postgres { .. })));
    let engine = match found {
        Some(url) => url.engine(postgres),
        None => Engine::Sqlite { path: PathBuf::from("data/gateway.db") },
    };
    let migrate = section.value("migrate", "\"auto\"");
    let migrate = migrate.and_then(|value| value.word(&MIGRATE)).unwrap_or(Migrate::Auto);
    let (retention, audit_retention) = retentions(&mut section);
    section.finish();
    Options { engine, retention, audit_retention, migrate }
}

const MIGRATE: [(&str, Migrate); 2] = [("auto", Migrate::Auto), ("manual", Migrate::Manual)];

fn database(value: &Value<'_>, key: &str) -> Option<Url> {
    match Url::parse(value.text()?) {
        Ok(url) => Some(url),
        Err(refusal) => {
            let what = match refusal {
                Refusal::Password => ", which must not be written into this file",
                _ => "",
            };
            value.refuse(format!("{key} {refusal}{what}"), refusal.help(key));
            None
        }
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
    let listen_url = section.value("listen_url", LISTEN_URL).and_then(|value| {
        unused(&value);
        listen_url(&value)
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
    let default = default_settings();
    PostgresOptions {
        password,
        ca_file,
        listen_url,
        connections: connections.unwrap_or(default.connections),
        statement_timeout: statement.unwrap_or(default.statement_timeout),
        idle_in_transaction_session_timeout: idle
            .unwrap_or(default.idle_in_transaction_session_timeout),
        pooler,
        ..default
    }
}

const LISTEN_URL: &str = "\"postgres://gateway@db.example.com:5432/gateway\"";

/// The way past a pooler, with the same password and the same `sslmode` as `url`.
fn listen_url(value: &Value<'_>) -> Option<String> {
    match database(value, "listen_url")? {
        Url::Postgres { url, tls: None } => Some(url),
        Url::Postgres { tls: Some(_), .. } => {
            let what = "listen_url has an sslmode, and that of url counts for both";
            value.refuse(what, "write listen_url without sslmode");
            None
        }
        Url::Sqlite { .. } => {
            let help = format!("write listen_url = {LISTEN_URL}");
            value.refuse("listen_url is not a URL of PostgreSQL", help);
            None
        }
    }
}

/// With fewer of `connections` a stage may wait for another for ever.
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
