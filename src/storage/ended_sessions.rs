//! Which sessions of people were ended before their time. It is in memory, because every page needs
//! it, and is read from the store before the first page and every half second.
//!
//! One session is ended by its id. Many at once, which have their ids in cookies only, are ended by
//! an entry that says whose, and until when they had to begin.

use dashmap::DashMap;

use super::error::Error;
use super::links::Links;
use crate::domain::time::Timestamp;

/// The ids of entries for the sessions of everybody, and of one person, begin with these.
const OF_EVERYBODY: &str = "everybody/";
const OF_PERSON: &str = "person/";

/// See the module.
#[derive(Debug, Default)]
pub struct EndedSessions {
    /// By id, until when the session or those of the entry would have been good.
    until: DashMap<String, Timestamp>,
    /// By the beginning of its entry's id, until when sessions that are ended had to begin.
    begun: DashMap<String, Timestamp>,
}

impl EndedSessions {
    /// Whether the session with this id, of this person, was ended.
    pub fn contains(&self, id: &str, person: &str, begun: Timestamp) -> bool {
        let is_ended = |key: &str| self.begun.get(key).is_some_and(|latest| begun <= *latest);
        self.until.contains_key(id) || is_ended(OF_EVERYBODY) || is_ended(&of_person(person))
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
        self.add(id.clone(), until);
        store.end_session(id, until, now).await
    }

    /// Ends all sessions of a person, or of everybody, that began until now. All of them would have
    /// been over at `until`.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn end_all(
        &self,
        store: &dyn Links,
        person: Option<&str>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Error> {
        let of = person.map_or_else(|| OF_EVERYBODY.to_owned(), of_person);
        self.end(store, (format!("{of}{}", now.micros()), until), now).await
    }

    /// Reads which sessions were ended, and forgets those whose time is over.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn refresh(&self, store: &dyn Links, now: Timestamp) -> Result<(), Error> {
        for (id, until) in store.ended_sessions(now).await? {
            self.add(id, until);
        }
        self.until.retain(|_, until| *until > now);
        Ok(())
    }

    fn add(&self, id: String, until: Timestamp) {
        if let Some((of, begun)) = id.rsplit_once('/')
            && let Ok(begun) = begun.parse().map(Timestamp::from_micros)
        {
            let mut latest = self.begun.entry(format!("{of}/")).or_insert(begun);
            *latest = begun.max(*latest);
        }
        self.until.insert(id, until);
    }
}

/// Names are compared without case, as Entra does.
fn of_person(name: &str) -> String {
    format!("{OF_PERSON}{}/", name.to_lowercase())
}
