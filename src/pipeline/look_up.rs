//! What a decision asks Azure DevOps: which files a pull request or a push changes.
//!
//! An answer that does not come in time is "unknown", with the reason; what that means is a rule of
//! the domain. So nothing here fails, and no decision waits for longer than `ASK_MAX`.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use super::commenters::Commenters;
use crate::ado::{DiffPage, Lane, Scope, Throttle};
use crate::clock::Clock;
use crate::credentials::{self, CallError, Identity, Purpose};
use crate::deps::Deps;
use crate::domain::changed_files::{Base, ChangedFiles, Comparison};
use crate::domain::comment::Comment;
use crate::domain::question::{AboutComment, Answers, Question};

/// The questions of one decision, from the first call to the last answer.
pub(super) const ASK_MAX: Duration = Duration::from_secs(10);
/// Calls that are made for one list of files. A longer list counts as unknown.
const PAGES_MAX: usize = 5;
/// Paths in memory.
const CACHED_PATHS_MAX: usize = 200_000;
/// Lists in memory.
const CACHED_LISTS_MAX: usize = 1_000;

/// See the module.
#[derive(Debug)]
pub struct LookUp {
    /// By organization.
    identities: HashMap<String, Identity>,
    throttle: Arc<Throttle>,
    clock: Clock,
    cache: Mutex<Cache>,
    commenters: Commenters,
}

impl LookUp {
    /// `identities` are those of all organizations, by name.
    pub fn new(identities: HashMap<String, Identity>, deps: &Deps) -> Self {
        Self {
            identities,
            throttle: Arc::clone(&deps.throttle),
            clock: deps.clock.clone(),
            cache: Mutex::default(),
            commenters: Commenters::default(),
        }
    }

    /// Adds the answers to `questions` about an organization to `answers`.
    pub async fn ask(&self, organization: &str, questions: &[Question], answers: &mut Answers) {
        let until = Instant::now() + ASK_MAX;
        for question in questions {
            match question {
                Question::ChangedFiles(comparison) => {
                    let files = self.changed_files(organization, comparison, until).await;
                    if let Some(why) = files.unknown() {
                        tracing::warn!(organization, "which files change is not known: {why}");
                    }
                    answers.add_changed_files(comparison.clone(), files);
                }
                Question::Comment { comment, needs_iterations } => {
                    let asking = self.about_comment(organization, comment, *needs_iterations);
                    let answer = match timeout_at(until, asking).await {
                        Ok(answer) => answer,
                        Err(_) => Err("Azure DevOps did not answer in time".to_owned()),
                    };
                    if let Err(why) = &answer {
                        tracing::warn!(organization, "a command is not obeyed yet: {why}");
                    }
                    answers.add_comment(answer);
                }
            }
        }
    }

    async fn about_comment(
        &self,
        organization: &str,
        comment: &Comment,
        needs_iterations: bool,
    ) -> Result<AboutComment, String> {
        let identity = self
            .identities
            .get(organization)
            .ok_or_else(|| format!("{organization} is not configured any more"))?;
        let pause = self.throttle.pause(organization, Lane::Triggers, self.clock.now());
        if let Some(pause) = pause {
            return Err(format!(
                "no calls to Azure DevOps until {}: {}",
                pause.until, pause.reason
            ));
        }
        let asking = self.commenters.about(identity, comment, needs_iterations);
        asking.await.map_err(|error| error.to_string())
    }

    async fn changed_files(
        &self,
        organization: &str,
        comparison: &Comparison,
        until: Instant,
    ) -> ChangedFiles {
        if let Some(files) = self.cache.lock().get(organization, comparison) {
            return ChangedFiles::Known(files);
        }
        let Some(identity) = self.identities.get(organization) else {
            return ChangedFiles::Unknown(format!("{organization} is not configured any more"));
        };
        match timeout_at(until, self.list(organization, identity, comparison)).await {
            Ok(Ok(files)) => files,
            Ok(Err(why)) => ChangedFiles::Unknown(why),
            Err(_) => {
                let seconds = ASK_MAX.as_secs();
                ChangedFiles::Unknown(format!("Azure DevOps did not answer within {seconds} s"))
            }
        }
    }

    /// Reads page after page of one list. The commits of the first answer are those of all pages,
    /// so that a branch that moves meanwhile does not mix two lists.
    async fn list(
        &self,
        organization: &str,
        identity: &Identity,
        asked: &Comparison,
    ) -> Result<ChangedFiles, String> {
        let (mut comparison, mut common) = (asked.clone(), None);
        let (mut paths, mut skip) = (Vec::new(), 0);
        for number in 0..PAGES_MAX {
            let page = self.page(organization, identity, &comparison, skip).await?;
            let is_other_head = page.head.as_ref().is_some_and(|head| *head != asked.head);
            if is_other_head || number > 0 && page.common != common {
                return Err("Azure DevOps compared other commits than asked for".into());
            }
            common = page.common;
            paths.extend(page.paths);
            skip += page.listed;
            if let Some(base) = page.base {
                comparison.base = Base::Commit(base);
            }
            if page.is_last {
                let files = ChangedFiles::of(paths);
                self.cache.lock().add(organization, comparison, &files);
                return Ok(files);
            }
            if matches!(comparison.base, Base::Branch(_)) {
                return Err("Azure DevOps does not say which commit it compared with".into());
            }
        }
        Err(format!("there are more than {skip}"))
    }

    async fn page(
        &self,
        organization: &str,
        identity: &Identity,
        comparison: &Comparison,
        skip: usize,
    ) -> Result<DiffPage, String> {
        let pause = self.throttle.pause(organization, Lane::Triggers, self.clock.now());
        if let Some(pause) = pause {
            return Err(format!(
                "no calls to Azure DevOps until {}: {}",
                pause.until, pause.reason
            ));
        }
        let (source, purpose) = (identity.source.as_ref(), Purpose::new("files"));
        let asking = credentials::call(source, Scope::Code, purpose, |credential| {
            identity.client.diff(credential, comparison, skip)
        });
        asking.await.map_err(|error: CallError| error.to_string())
    }
}

/// Lists of files between two commits, which never change. The oldest goes first.
#[derive(Debug, Default)]
struct Cache {
    lists: HashMap<(String, Comparison), Arc<[String]>>,
    /// From the oldest to the newest.
    order: VecDeque<(String, Comparison)>,
    paths: usize,
}

impl Cache {
    fn get(&self, organization: &str, comparison: &Comparison) -> Option<Arc<[String]>> {
        self.lists.get(&(organization.to_owned(), comparison.clone())).cloned()
    }

    fn add(&mut self, organization: &str, comparison: Comparison, files: &ChangedFiles) {
        let (ChangedFiles::Known(files), Base::Commit(_)) = (files, &comparison.base) else {
            return;
        };
        let key = (organization.to_owned(), comparison);
        if files.len() > CACHED_PATHS_MAX || self.lists.contains_key(&key) {
            return;
        }
        self.paths += files.len();
        self.lists.insert(key.clone(), Arc::clone(files));
        self.order.push_back(key);
        while self.paths > CACHED_PATHS_MAX || self.lists.len() > CACHED_LISTS_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            let gone = self.lists.remove(&oldest).map_or(0, |files| files.len());
            self.paths = self.paths.saturating_sub(gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(base: &str, head: &str) -> Comparison {
        Comparison {
            project: "p".into(),
            repository: "r".into(),
            base: Base::Commit(base.into()),
            head: head.into(),
            from_merge_base: true,
        }
    }

    fn files(count: usize) -> ChangedFiles {
        ChangedFiles::of((0..count).map(|number| format!("/{number}")))
    }

    #[test]
    fn the_oldest_list_makes_room_for_a_new_one() {
        let mut cache = Cache::default();
        for number in 0..5 {
            cache.add("contoso", between("a", &number.to_string()), &files(CACHED_PATHS_MAX / 4));
        }
        assert!(cache.get("contoso", &between("a", "0")).is_none());
        assert!(cache.get("contoso", &between("a", "4")).is_some());
        assert!(cache.get("fabrikam", &between("a", "4")).is_none());
        assert!(cache.paths <= CACHED_PATHS_MAX);
    }

    #[test]
    fn what_is_not_known_is_asked_again() {
        let mut cache = Cache::default();
        cache.add("contoso", between("a", "b"), &ChangedFiles::Unknown("no answer".into()));
        let branch = Comparison { base: Base::Branch("main".into()), ..between("a", "c") };
        cache.add("contoso", branch.clone(), &files(1));
        assert!(cache.get("contoso", &between("a", "b")).is_none());
        assert!(cache.get("contoso", &branch).is_none());
    }
}
