//! When each hook delivered first and last. It is gathered in memory and written once a second,
//! since the transactions that store deliveries would wait for each other on its rows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::domain::subscription::name_in_url;
use crate::domain::time::Timestamp;
use crate::storage::Error;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::pool::Pool;

const INTERVAL: Duration = Duration::from_secs(1);

/// By organization in lower case and hook: its spelling, and the first and the last time.
type Times = BTreeMap<(String, String), (String, Timestamp, Timestamp)>;

/// See the module.
#[derive(Debug)]
pub(in crate::storage::postgres) struct Activity {
    pool: Arc<Pool>,
    times: Mutex<Times>,
    /// Held while it is written.
    writing: tokio::sync::Mutex<()>,
    stop: CancellationToken,
}

impl Activity {
    pub(in crate::storage::postgres) fn start(pool: Arc<Pool>) -> Arc<Self> {
        let (times, writing) = (Mutex::default(), tokio::sync::Mutex::default());
        let stop = CancellationToken::new();
        let activity = Arc::new(Self { pool, times, writing, stop });
        let writing = Arc::clone(&activity);
        tokio::spawn(async move {
            while !writing.stop.is_cancelled() {
                tokio::select! {
                    () = writing.stop.cancelled() => return,
                    () = tokio::time::sleep(INTERVAL) => {}
                }
                if let Err(error) = writing.flush().await {
                    tracing::debug!("when hooks delivered is written the next time: {error}");
                }
            }
        });
        activity
    }

    /// Notes a delivery. A repeat counts, too: it shows that the hook delivers.
    pub(super) fn note(&self, organization: &str, hook: &str, at: Timestamp) {
        let key = (organization.to_ascii_lowercase(), name_in_url(hook).to_owned());
        let mut times = self.times.lock();
        let (_, first_at, last_at) =
            times.entry(key).or_insert_with(|| (organization.to_owned(), at, at));
        (*first_at, *last_at) = ((*first_at).min(at), (*last_at).max(at));
    }

    /// Writes the times of deliveries that were noted in memory. They are forgotten only after the
    /// write succeeded: writing a time twice changes nothing.
    pub(in crate::storage::postgres) async fn flush(&self) -> Result<(), Error> {
        let _until_others_have_written = self.writing.lock().await;
        let written = Arc::new(self.times.lock().clone());
        if written.is_empty() {
            return Ok(());
        }
        let writing = self.pool.write_singly(Arc::clone(&written), |db, times| async move {
            write(&db, &times).await
        });
        writing.await?;
        self.times.lock().retain(|key, times| written.get(key) != Some(times));
        Ok(())
    }

    /// Writes the rest.
    pub(in crate::storage::postgres) async fn stop(&self) {
        self.stop.cancel();
        if let Err(error) = self.flush().await {
            tracing::warn!("when hooks delivered last is not stored: {error}");
        }
    }
}

/// In the order of the keys, so that two processes do not wait for each other in a circle.
async fn write(db: &Db, times: &Times) -> Result<(), Failure> {
    let organizations: Vec<_> = times.values().map(|(name, ..)| text(name)).collect();
    let hooks: Vec<_> = times.keys().map(|(_, hook)| text(hook)).collect();
    let first: Vec<i64> = times.values().map(|(_, first_at, _)| first_at.micros()).collect();
    let last: Vec<i64> = times.values().map(|(.., last_at)| last_at.micros()).collect();
    let sql = "INSERT INTO hook_activity (organization, hook, first_at, last_at)
         SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
         ON CONFLICT (lower(organization), hook) DO UPDATE
         SET first_at = least(hook_activity.first_at, excluded.first_at),
             last_at = greatest(hook_activity.last_at, excluded.last_at)";
    db.execute(sql, params![organizations, hooks, first, last]).await?;
    Ok(())
}
