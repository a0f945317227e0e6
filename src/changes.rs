//! What has changed, for those who watch: a kind and an id, and nothing of the content.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use crate::domain::about::{delivery_key, keys_of_run, run_key};
use crate::domain::id::{DeliveryId, RunId, StatusId};
use crate::domain::run::Run;

/// Changes that a watcher may be behind by.
const BEHIND_MAX: usize = 1_024;
/// What is about more, such as a push of many branches, may be about anything: messages of replicas
/// are short.
const ABOUT_MAX: usize = 5;

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

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One thing that has changed: written `run:0199a3c1-…/5f0c…,9a7d…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub kind: Kind,
    /// As in the list of its kind.
    pub id: String,
    /// The keys of what it is about (`domain::about`); none where it may be about anything. Those
    /// who watch everything are not told of them.
    #[serde(skip)]
    pub about: Option<Vec<i64>>,
}

impl Change {
    fn new(kind: Kind, id: impl fmt::Display, about: Vec<i64>) -> Self {
        let about = Some(about).filter(|keys| keys.len() <= ABOUT_MAX);
        Self { kind, id: id.to_string(), about }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.kind.as_str(), self.id)?;
        let Some(keys) = &self.about else { return Ok(()) };
        let keys: Vec<String> = keys.iter().map(|key| format!("{key:x}")).collect();
        write!(out, "/{}", keys.join(","))
    }
}

impl FromStr for Change {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, rest) = text.split_once(':').ok_or(())?;
        let kind = Kind::parse(kind).ok_or(())?;
        let Some((id, keys)) = rest.split_once('/') else {
            return Ok(Self { kind, id: rest.to_owned(), about: None });
        };
        let keys = keys.split(',').filter(|key| !key.is_empty());
        let key = |key| u64::from_str_radix(key, 16).map(u64::cast_signed).map_err(drop);
        let about = Some(keys.map(key).collect::<Result<_, _>>()?);
        Ok(Self { kind, id: id.to_owned(), about })
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
    /// A delivery was decided; these are the keys of what it is about.
    pub fn delivery(&self, id: DeliveryId, mut about: Vec<i64>) {
        about.push(delivery_key(id));
        self.happened(Change::new(Kind::Delivery, id, about));
    }

    /// A run was planned, or has another state, description or address.
    pub fn run(&self, run: &Run) {
        self.happened(Change::new(Kind::Run, run.id, keys_of_run(run)));
    }

    /// An attempt to post a status, of this run where it is of one, has ended.
    pub fn status(&self, id: StatusId, run: Option<RunId>) {
        let about = run.into_iter().map(run_key).collect();
        self.happened(Change::new(Kind::Status, id, about));
    }

    fn happened(&self, change: Change) {
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
        changes.delivery(DeliveryId(7), vec![-1]);
        changes.from_others("status:8".parse().ok());
        let expected = Change { kind: Kind::Delivery, id: "7".into(), about: Some(vec![-1, 7]) };
        assert_eq!(watch.next().await, Ok(expected.clone()));
        assert_eq!(watch.next().await.map(|change| change.to_string()), Ok("status:8".into()));
        assert_eq!(here.recv().await, Ok(expected), "and not what others have told");
        changes.from_others(None);
        assert_eq!(watch.next().await, Err(Missed));
        (0..=1_024).for_each(|id| changes.status(StatusId(id), None));
        assert_eq!(watch.next().await, Err(Missed));
    }

    #[test]
    fn a_change_is_read_as_it_is_written() {
        let id = "0199a3c1-3b5e-7000-8000-000000000001";
        for about in [None, Some(vec![]), Some(vec![i64::MIN, -2, -1, 0, i64::MAX])] {
            let run = Change { kind: Kind::Run, id: id.into(), about };
            assert_eq!(run.to_string().parse(), Ok(run.clone()), "{run}");
            assert!(run.to_string().len() < 130, "{run}");
        }
        for other in ["decide", "tree:1", "", "run:1/x", "run:1/-8"] {
            assert_eq!(other.parse::<Change>(), Err(()), "{other}");
        }
    }

    #[tokio::test]
    async fn what_is_about_too_much_may_be_about_anything() {
        let changes = Changes::default();
        let mut watch = changes.watch();
        changes.delivery(DeliveryId(7), (0..5).collect());
        assert_eq!(watch.next().await.map(|change| change.about), Ok(None));
    }
}
