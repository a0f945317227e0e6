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
    stop: CancellationToken,
}

impl Activity {
    pub(in crate::storage::postgres) fn start(pool: Arc<Pool>) -> Arc<Self> {
        let (times, stop) = (Mutex::default(), CancellationToken::new());
        let activity = Arc::new(Self { pool, times, stop });
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
        let hook = name_in_url(hook).to_owned();
        add(&mut self.times.lock(), organization, hook, at, at);
    }

    /// Writes what was noted before.
    pub(in crate::storage::postgres) async fn flush(&self) -> Result<(), Error> {
        let times = std::mem::take(&mut *self.times.lock());
        if times.is_empty() {
            return Ok(());
        }
        let written = self
            .pool
            .write_singly(times.clone(), |db, times| async move { write(&db, &times).await });
        if let Err(error) = written.await {
            let mut later = self.times.lock();
            for ((_, hook), (organization, first_at, last_at)) in times {
                add(&mut later, &organization, hook, first_at, last_at);
            }
            return Err(error);
        }
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

fn add(times: &mut Times, organization: &str, hook: String, first: Timestamp, last: Timestamp) {
    let key = (organization.to_ascii_lowercase(), hook);
    let (_, first_at, last_at) =
        times.entry(key).or_insert_with(|| (organization.to_owned(), first, last));
    (*first_at, *last_at) = ((*first_at).min(first), (*last_at).max(last));
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
