//! What all replicas of one installation have in common, and which of them live.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use super::Postgres;
use super::engine::db::{params, text};
use super::engine::listen;
use super::engine::rows::get;
use super::engine::schema;
use crate::domain::time::Timestamp;
use crate::storage::{Error, Replicas};

#[async_trait]
impl Replicas for Postgres {
    async fn gateway(&self) -> Result<String, Error> {
        self.pool.read((), |db, _| async move { schema::gateway(&db).await }).await
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn has_lived_since(&self, since: Instant) -> bool {
        self.monitor.has_lived_since(since)
    }

    async fn other_instances(&self) -> Result<Vec<String>, Error> {
        let live = self.pool.read(Arc::clone(&self.instance), |db, instance| async move {
            let sql = "SELECT id FROM instance WHERE id <> $1 ORDER BY id";
            let rows = db.rows(sql, params![text(&instance)]).await?;
            rows.iter().map(|row| get(row, 0)).collect()
        });
        live.await
    }

    async fn compare_configuration(
        &self,
        fingerprint: &str,
    ) -> Result<Vec<(String, String)>, Error> {
        let args = (Arc::clone(&self.instance), fingerprint.to_owned());
        let others = self.pool.write_singly(args, |db, args| async move {
            let (instance, own) = (text(&args.0), text(&args.1));
            let sql = "UPDATE instance SET configuration = $2
                WHERE id = $1 AND configuration IS DISTINCT FROM $2";
            db.execute(sql, params![instance, own]).await?;
            let sql = "SELECT id, configuration FROM instance
                WHERE id <> $1 AND configuration IS NOT NULL ORDER BY id";
            let rows = db.rows(sql, params![instance]).await?;
            rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
        });
        others.await
    }

    async fn send(&self, message: &str) -> Result<(), Error> {
        let args = (Arc::clone(&self.instance), message.to_owned());
        let sent = self.pool.write_singly(args, |db, args| async move {
            listen::send(&db, &args.0, &args.1).await
        });
        sent.await
    }

    async fn received(&self) -> Option<String> {
        self.listener.next().await
    }

    fn shared_time(&self, local: Timestamp) -> Timestamp {
        self.monitor.shared_time(local)
    }
}
