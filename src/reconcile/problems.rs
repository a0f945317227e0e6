//! Keeps in the store which problems this process sees, and since when: a restart does not make an
//! old problem a new one, and every replica knows those of the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::deps::Deps;
use crate::domain::time::Timestamp;
use crate::health::Health;
use crate::storage::{self, ProblemKey, ProblemRow, SeenProblems};
use crate::worker::{self, Progress, Tick};

/// What has not changed is noted again after this.
const NOTED_EVERY: Duration = Duration::from_secs(10);
/// One that is seen again within this time has never ended: a process that starts sees it only when
/// it tries the same again.
const REMEMBERED_FOR: Duration = Duration::from_secs(900);

/// See the module.
#[derive(Debug)]
pub struct NoteProblems {
    store: Arc<dyn storage::Monitoring>,
    health: Arc<Health>,
    clock: Clock,
    noted: Mutex<Noted>,
}

#[derive(Clone, Debug, Default)]
struct Noted {
    problems: BTreeMap<ProblemKey, (String, Timestamp)>,
    at: Timestamp,
}

impl NoteProblems {
    /// Notes those of the health of `deps`.
    pub fn new(deps: &Deps) -> Self {
        Self {
            store: Arc::clone(&deps.store) as Arc<dyn storage::Monitoring>,
            health: Arc::clone(&deps.health),
            clock: deps.clock.clone(),
            noted: Mutex::default(),
        }
    }
}

#[async_trait]
impl Tick for NoteProblems {
    fn name(&self) -> &'static str {
        "problems"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let (now, before) = (self.clock.now(), self.noted.lock().clone());
        let mut problems = BTreeMap::new();
        for problem in self.health.list() {
            let key = (problem.organization, problem.kind.as_str().to_owned(), problem.about);
            let since = before.problems.get(&key).map_or(now, |(_, since)| *since);
            problems.insert(key, (problem.reason, since));
        }
        let is_due = !problems.is_empty() && now.since(before.at) >= NOTED_EVERY;
        if problems == before.problems && !is_due {
            return Ok(Progress::Idle);
        }
        let is_over = |key: &&ProblemKey| !problems.contains_key(*key);
        let row = |(key, (reason, since)): (&ProblemKey, &(String, Timestamp))| ProblemRow {
            key: key.clone(),
            reason: reason.clone(),
            since: *since,
        };
        let seen = SeenProblems {
            all: problems.iter().map(row).collect(),
            over: before.problems.keys().filter(is_over).cloned().collect(),
            seen_at: now,
            over_before: now.minus(REMEMBERED_FOR),
        };
        self.store.see_problems(seen).await?;
        *self.noted.lock() = Noted { problems, at: now };
        Ok(Progress::Idle)
    }
}
