//! How connections are opened, and what is found out about the server before the first use: its
//! version, its settings, and whether there is a pooler in between.

use std::time::Duration;

use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::Failure;
use super::tls;
use crate::storage::{Error, PostgresOptions, TlsMode};

/// The oldest server that is supported: PostgreSQL 15.
const VERSION_MIN: i64 = 150_000;
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// After so long without an answer to what was sent, the other end is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// A connection plans a statement once, perhaps while its tables are empty. Such a plan would read
/// whole tables when they have grown, until they are analyzed. Each statement has an index for what
/// it looks up, so its plan is the one that is good for a large table, whatever its parameters are.
/// Planning it anew for each call took a quarter of the database's time.
const PLANS: &str = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off \
                     -c jit=off -c plan_cache_mode=force_generic_plan";

/// What drives a connection while it is polled.
pub(crate) type Driver = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// Opens connections.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) config: Config,
    pub(crate) tls: MakeRustlsConnect,
    /// Whether statements may have names: not behind a pooler in transaction mode.
    pub(crate) has_names: bool,
    statement_timeout: Duration,
    idle_timeout: Duration,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Connector").field("has_names", &self.has_names).finish_non_exhaustive()
    }
}

impl Connector {
    /// Finds out how to talk to the server of these options. `instance` is the process that the
    /// server shows for its connections.
    ///
    /// # Errors
    /// It does not answer, refuses the user, or is too old; and what to do about it.
    pub(crate) async fn find_out(options: &PostgresOptions, instance: &str) -> Result<Self, Error> {
        let tls = tls::client_config(options.tls, options.ca_file.as_deref())?;
        let mut connector = Self {
            config: config(options, instance)?,
            tls: MakeRustlsConnect::new(tls),
            has_names: options.pooler != Some(true),
            statement_timeout: options.statement_timeout,
            idle_timeout: options.idle_in_transaction_session_timeout,
        };
        let without_limits = connector.config.clone();
        if connector.has_names {
            connector.config.options(connector.session_limits(None));
        }
        let first = connector.connect().await;
        // A pooler refuses settings that it could not give to the next client, or ignores them.
        let client = match first {
            Err(failure) if options.pooler.is_none() && is_of_pooler(&failure) => {
                (connector.has_names, connector.config) = (false, without_limits.clone());
                connector.connect().await?
            }
            first => first?,
        };
        let server = Server::ask(&client).await?;
        if server.version < VERSION_MIN {
            return Err(Error::unavailable(format!(
                "the database server has version {}: PostgreSQL 15 or newer is needed: \
                 upgrade the server",
                server.version_name
            )));
        }
        if connector.has_names && server.statement_timeout_ms != connector.timeout_ms() {
            (connector.has_names, connector.config) = (false, without_limits);
        }
        if !connector.has_names {
            tracing::info!("there is a pooler before the database: statements get no names");
        }
        if !server.has_fsync {
            tracing::warn!(
                "the database server runs with fsync = off: a power failure may lose deliveries \
                 that were answered 202; set fsync = on"
            );
        }
        if server.synchronous_commit == "off" {
            if !connector.has_names {
                return Err(Error::unavailable(
                    "synchronous_commit is off for this role, so a delivery that was answered 202 \
                     may be lost: run ALTER ROLE … SET synchronous_commit = on",
                ));
            }
            tracing::warn!("synchronous_commit is off for this role: this gateway turns it on");
            connector.config.options(connector.session_limits(Some("on")));
        }
        Ok(connector)
    }

    /// A connection past the pooler to the same database, which can listen; none where the way is
    /// unknown.
    ///
    /// # Errors
    /// `listen_url` cannot be read.
    pub(crate) fn past_pooler(
        &self,
        options: &PostgresOptions,
        instance: &str,
    ) -> Result<Option<Self>, Error> {
        match &options.listen_url {
            Some(url) => {
                let options = PostgresOptions { url: url.clone(), ..options.clone() };
                Ok(Some(Self { config: config(&options, instance)?, ..self.clone() }))
            }
            None if self.has_names => Ok(Some(self.clone())),
            None => Ok(None),
        }
    }

    /// One connection, and what drives it.
    pub(crate) async fn open(&self) -> Result<(Client, Driver), Failure> {
        let connecting = self.config.connect(self.tls.clone());
        Ok(tokio::time::timeout(CONNECT_MAX * 2, connecting)
            .await
            .map_err(|_| Failure::Connection("connecting takes too long".into()))??)
    }

    /// One connection; its task ends with it.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let (client, connection) = self.open().await?;
        tokio::spawn(async move {
            // Whoever uses the connection gets the error, too.
            if let Err(error) = connection.await {
                tracing::debug!("a connection to the database ended: {error}");
            }
        });
        Ok(client)
    }

    fn timeout_ms(&self) -> i64 {
        i64::try_from(self.statement_timeout.as_millis()).unwrap_or(i64::MAX)
    }

    fn session_limits(&self, synchronous_commit: Option<&str>) -> String {
        let commit = synchronous_commit.map(|value| format!(" -c synchronous_commit={value}"));
        format!(
            "-c statement_timeout={} -c idle_in_transaction_session_timeout={} {PLANS}{}",
            self.timeout_ms(),
            self.idle_timeout.as_millis(),
            commit.unwrap_or_default()
        )
    }

    /// Statements that set the limits for one transaction, where connections cannot have them.
    pub(crate) fn settings_of_transactions(&self) -> String {
        if self.has_names {
            return String::new();
        }
        format!(
            "SET LOCAL statement_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = {}",
            self.timeout_ms(),
            self.idle_timeout.as_millis()
        )
    }
}

fn config(options: &PostgresOptions, instance: &str) -> Result<Config, Error> {
    let mut config: Config = options.url.parse().map_err(|error: tokio_postgres::Error| {
        Error::unavailable(format!("storage.url cannot be read: {error}"))
    })?;
    config
        .application_name(format!("azdo-gateway {instance}"))
        .connect_timeout(CONNECT_MAX)
        .keepalives(true)
        .keepalives_idle(SILENCE_MAX)
        .keepalives_interval(Duration::from_secs(1))
        .keepalives_retries(3)
        .tcp_user_timeout(SILENCE_MAX)
        .ssl_mode(match options.tls {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
    if config.get_hosts().len() > 1 {
        // Of several servers the one that takes writes, whichever that is after a failover.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if let Some(password) = &options.password {
        config.password(password.expose());
    }
    Ok(config)
}

/// PgBouncer refuses startup parameters that it does not know (protocol violation, 08P01).
fn is_of_pooler(failure: &Failure) -> bool {
    let Failure::Database(error) = failure else { return false };
    let Some(error) = error.as_db_error() else { return false };
    error.code().code() == "08P01" && error.message().contains("unsupported startup parameter")
}

/// What the server says of itself.
struct Server {
    version: i64,
    version_name: String,
    statement_timeout_ms: i64,
    has_fsync: bool,
    synchronous_commit: String,
}

impl Server {
    async fn ask(client: &Client) -> Result<Self, Failure> {
        let sql = "SELECT current_setting('server_version_num')::bigint,
            current_setting('server_version'),
            (SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'),
            current_setting('fsync')::boolean, current_setting('synchronous_commit')";
        let rows = client.query_typed(sql, &[]).await?;
        let row = rows.first().ok_or_else(|| Failure::Value("the server says nothing".into()))?;
        Ok(Self {
            version: row.try_get(0)?,
            version_name: row.try_get(1)?,
            statement_timeout_ms: row.try_get(2)?,
            has_fsync: row.try_get(3)?,
            synchronous_commit: row.try_get(4)?,
        })
    }
}
