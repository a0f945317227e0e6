//! Which sessions of people were ended before their time. It is in memory, because every page needs
//! it, and is read from the store before the first page and every half second.

use dashmap::DashMap;

use super::error::Error;
use super::links::Links;
use crate::domain::time::Timestamp;

/// See the module. By id, until when the session would have been good.
#[derive(Debug, Default)]
pub struct EndedSessions(DashMap<String, Timestamp>);

impl EndedSessions {
    /// Whether the session with this id was ended.
    pub fn contains(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// Ends a session, here at once and at the other replicas as soon as they look. Here it is
    /// ended also where this fails.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn end(
        &self,
        store: &dyn Links,
        (id, until): (String, Timestamp),
        now: Timestamp,
    ) -> Result<(), Error> {
        self.0.insert(id.clone(), until);
        store.end_session(id, until, now).await
    }

    /// Reads which sessions were ended, and forgets those whose time is over.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn refresh(&self, store: &dyn Links, now: Timestamp) -> Result<(), Error> {
        for (id, until) in store.ended_sessions(now).await? {
            self.0.insert(id, until);
        }
        self.0.retain(|_, until| *until > now);
        Ok(())
    }
}
