//! The engine for several replicas: one PostgreSQL database, 15 or newer.
//!
//! Every transaction reads what is committed (`READ COMMITTED`) and locks the rows that it decides
//! about, in one order: delivery, pull request and refs, runs by number, slots by key. So
//! transactions wait for each other, and none waits in a circle.

mod admin;
mod audit;
mod deliveries;
mod engine;
mod links;
mod monitoring;
mod reconciliation;
mod replicas;
mod runners;
mod runs;
mod statuses;
mod subjects;
pub mod transfer;

use std::sync::Arc;

use super::{EnvelopeReader, Error, Migrate, PostgresOptions, SchemaState};
use crate::domain::time::Timestamp;
use deliveries::accept::Accept;
use deliveries::activity::Activity;
use engine::connection::Connector;
use engine::listen::Listener;
use engine::monitor::Monitor;
use engine::pool::Pool;
use engine::schema;

/// See the module.
#[derive(Debug)]
pub struct Postgres {
    pool: Arc<Pool>,
    monitor: Arc<Monitor>,
    listener: Listener,
    /// The id of this process, which holds what it leases.
    instance: Arc<str>,
    accept: Accept,
    /// What this process has not written yet of when hooks delivered.
    activity: Arc<Activity>,
}

impl Postgres {
    /// Connects, and migrates the schema where `migrate` says so. `instance` is the id of this
    /// process, `read_envelope` reads the keys of each hook call.
    ///
    /// # Errors
    /// The database cannot be used, and what to do about it.
    pub async fn open(
        options: &PostgresOptions,
        migrate: Migrate,
        instance: &str,
        read_envelope: EnvelopeReader,
    ) -> Result<Self, Error> {
        let connector = Connector::find_out(options, instance).await?;
        let pool = Arc::new(Pool::new(&connector, options.connections)?);
        let prepared =
            pool.write(migrate, |db, how| async move { schema::prepare(&db, *how).await });
        prepared.await?.map_err(Error::unavailable)?;
        pool.warm_up().await;
        let past_pooler = connector.past_pooler(options, instance)?;
        if past_pooler.is_none() {
            tracing::info!(
                "replicas do not wake each other, and look for work four times a second: \
                 storage.listen_url would lead past the pooler"
            );
        }
        let listener = Listener::start(instance, past_pooler);
        let monitor = Monitor::start(instance, connector, Arc::clone(&pool)).await?;
        let activity = Activity::start(Arc::clone(&pool));
        admin::partitions::maintain(&pool, Timestamp::ZERO).await;
        Ok(Self {
            accept: Accept::start(Arc::clone(&pool), read_envelope, Arc::clone(&activity)),
            activity,
            pool,
            monitor,
            listener,
            instance: instance.into(),
        })
    }

    /// What has to be done before this version can use the schema; with `migrate` it is done.
    ///
    /// # Errors
    /// The database cannot be used, and what to do about it.
    pub async fn schema(options: &PostgresOptions, migrate: bool) -> Result<SchemaState, Error> {
        let connector = Connector::find_out(options, "migrate").await?;
        let pool = Arc::new(Pool::new(&connector, 1)?);
        let found = pool.write(migrate, |db, migrate| async move {
            match *migrate {
                true => schema::migrate(&db).await,
                false => schema::state(&db).await,
            }
        });
        found.await?.map_err(Error::unavailable)
    }
}
