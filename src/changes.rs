//! What has changed, for those who watch: a kind and an id, and nothing of the content.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use crate::domain::id::{DeliveryId, RunId, StatusId};

/// Changes that a watcher may be behind by.
const BEHIND_MAX: usize = 1_024;

/// What kind of thing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Delivery,
    Run,
    Status,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Delivery, Kind::Run, Kind::Status];

    /// The word in the API and in messages of replicas.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Delivery => "delivery",
            Kind::Run => "run",
            Kind::Status => "status",
        }
    }
}

/// One thing that has changed: written `run:0199a3c1-…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub kind: Kind,
    /// As in the list of its kind.
    pub id: String,
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.kind.as_str(), self.id)
    }
}

impl FromStr for Change {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, id) = text.split_once(':').ok_or(())?;
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind).ok_or(())?;
        Ok(Self { kind, id: id.to_owned() })
    }
}

/// Why a watcher does not know everything: it has to look at the lists again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed;

/// All changes, those of this process and those that others have told of. Clones share them.
#[derive(Clone, Debug)]
pub struct Changes {
    here: broadcast::Sender<Change>,
    /// None says that something was missed.
    all: broadcast::Sender<Option<Change>>,
}

impl Default for Changes {
    fn default() -> Self {
        let (here, all) = (broadcast::Sender::new(BEHIND_MAX), broadcast::Sender::new(BEHIND_MAX));
        Self { here, all }
    }
}

impl Changes {
    /// A delivery was decided.
    pub fn delivery(&self, id: DeliveryId) {
        self.happened(Kind::Delivery, id.0);
    }

    /// A run was planned, or has another state, description or address.
    pub fn run(&self, id: RunId) {
        self.happened(Kind::Run, id);
    }

    /// An attempt to post a status has ended.
    pub fn status(&self, id: StatusId) {
        self.happened(Kind::Status, id.0);
    }

    fn happened(&self, kind: Kind, id: impl fmt::Display) {
        let change = Change { kind, id: id.to_string() };
        // Nobody may be watching.
        drop(self.here.send(change.clone()));
        self.from_others(Some(change));
    }

    /// A change in another process; none where some of those were missed.
    pub fn from_others(&self, change: Option<Change>) {
        drop(self.all.send(change));
    }

    /// The changes from now on that happen in this process, to tell others of.
    pub fn of_this_process(&self) -> broadcast::Receiver<Change> {
        self.here.subscribe()
    }

    /// All changes from now on.
    pub fn watch(&self) -> Watch {
        Watch(self.all.subscribe())
    }
}

/// One watcher.
#[derive(Debug)]
pub struct Watch(broadcast::Receiver<Option<Change>>);

impl Watch {
    /// The next change.
    ///
    /// # Errors
    /// Something was missed.
    pub async fn next(&mut self) -> Result<Change, Missed> {
        self.0.recv().await.ok().flatten().ok_or(Missed)
    }

    /// The next change, where it has happened already.
    pub fn next_now(&mut self) -> Option<Result<Change, Missed>> {
        match self.0.try_recv() {
            Ok(change) => Some(change.ok_or(Missed)),
            Err(TryRecvError::Lagged(_)) => Some(Err(Missed)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watcher_sees_each_change_or_that_it_has_missed_one() {
        let changes = Changes::default();
        let (mut watch, mut here) = (changes.watch(), changes.of_this_process());
        changes.delivery(DeliveryId(7));
        changes.from_others("status:8".parse().ok());
        let expected = Change { kind: Kind::Delivery, id: "7".into() };
        assert_eq!(watch.next().await, Ok(expected.clone()));
        assert_eq!(watch.next().await.map(|change| change.to_string()), Ok("status:8".into()));
        assert_eq!(here.recv().await, Ok(expected), "and not what others have told");
        changes.from_others(None);
        assert_eq!(watch.next().await, Err(Missed));
        (0..=1_024).for_each(|id| changes.status(StatusId(id)));
        assert_eq!(watch.next().await, Err(Missed));
    }

    #[test]
    fn a_change_is_read_as_it_is_written() {
        let run = Change { kind: Kind::Run, id: "0199a3c1-3b5e-7000-8000-000000000001".into() };
        assert_eq!(run.to_string().parse(), Ok(run));
        for other in ["decide", "tree:1", ""] {
            assert_eq!(other.parse::<Change>(), Err(()), "{other}");
        }
    }
}
