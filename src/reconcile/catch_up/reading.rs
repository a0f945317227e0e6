//! Lists of Azure DevOps, page by page, each page with a credential of its own. Everything has an
//! end, also when a list has none. It must never know what the lists are compared with.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::turn::{Stop, Turn};
use crate::ado::{Client, Error, ListedPullRequest, ListedPush, Scope, Which};
use crate::credentials::CallError;
use crate::domain::catch_up::Heads;
use crate::domain::event::Repository;
use crate::domain::time::Timestamp;

/// Pages of one list of pull requests, of a hundred each.
const PULL_REQUEST_PAGES_MAX: usize = 50;
/// Pages of one list of pushes, of a hundred each.
const PUSH_PAGES_MAX: usize = 20;
/// Pages of one list of refs, of a thousand each.
const REF_PAGES_MAX: usize = 50;
/// For the names of tokens and the audit log.
const PURPOSE: &str = "catch-up";

/// Something listed, and whether that is all.
#[derive(Debug)]
pub(super) struct Listed<T> {
    pub(super) items: Vec<T>,
    pub(super) is_complete: bool,
}

/// Reads for one organization.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    pub(super) client: &'a Client,
    pub(super) turn: &'a Turn<'a>,
}

impl Reading<'_> {
    /// Pull requests of a project.
    pub(super) async fn pull_requests(
        &self,
        project_id: &str,
        which: Which,
    ) -> Result<Listed<ListedPullRequest>, Stop> {
        let (mut items, mut skip) = (Vec::new(), 0);
        for _ in 0..PULL_REQUEST_PAGES_MAX {
            let list = |credential| self.client.pull_requests(credential, project_id, which, skip);
            let page = self.turn.call(Scope::Code, PURPOSE, list).await?;
            items.extend(page.items);
            skip += page.listed;
            if page.is_last {
                return Ok(Listed { items, is_complete: true });
            }
        }
        Ok(Listed { items, is_complete: false })
    }

    /// One pull request; none where it is gone.
    pub(super) async fn pull_request(
        &self,
        project_id: &str,
        id: i64,
    ) -> Result<Option<ListedPullRequest>, Stop> {
        let get = |credential| self.client.pull_request(credential, project_id, id);
        self.turn.call(Scope::Code, PURPOSE, get).await
    }

    /// The labels of a pull request; none where Azure DevOps refuses to list them.
    pub(super) async fn labels(
        &self,
        repository: &Repository,
        id: i64,
    ) -> Result<Option<Vec<Value>>, Stop> {
        let list = |credential| self.client.labels(credential, repository, id);
        match self.turn.call(Scope::Code, PURPOSE, list).await {
            Err(stop) if is_refused(&stop) => Ok(None),
            labels => labels.map(Some),
        }
    }

    /// The refs under these prefixes, all of them.
    pub(super) async fn heads(
        &self,
        repository: &Repository,
        prefixes: Vec<&'static str>,
    ) -> Result<Heads, Stop> {
        let mut list = BTreeMap::new();
        for prefix in &prefixes {
            let filter = prefix.trim_start_matches("refs/");
            let mut after: Option<String> = None;
            for page in 0.. {
                if page == REF_PAGES_MAX {
                    // Half a list would read as if the other half were deleted.
                    return Err(too_many(format!("more than {} refs", list.len())));
                }
                let next = after.as_deref();
                let read = |credential| self.client.refs(credential, repository, filter, next);
                let (heads, next) = self.turn.call(Scope::Code, PURPOSE, read).await?;
                list.extend(heads.into_iter().filter(|(name, _)| name.starts_with(prefix)));
                after = next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(Heads { prefixes, list })
    }

    /// Pushes since a moment; none where Azure DevOps refuses to list them.
    pub(super) async fn pushes(
        &self,
        repository: &Repository,
        since: Timestamp,
    ) -> Result<Option<Listed<ListedPush>>, Stop> {
        let (mut items, mut skip, mut is_whole) = (Vec::new(), 0, true);
        for _ in 0..PUSH_PAGES_MAX {
            let list = |credential| self.client.pushes(credential, repository, since, skip);
            let page = match self.turn.call(Scope::Code, PURPOSE, list).await {
                Err(stop) if is_refused(&stop) => return Ok(None),
                page => page?,
            };
            is_whole &= page.is_whole();
            items.extend(page.items);
            skip += page.listed;
            if page.is_last {
                return Ok(Some(Listed { items, is_complete: is_whole }));
            }
        }
        Ok(Some(Listed { items, is_complete: false }))
    }

    /// The resource of a push with the messages of its commits; without them where they are
    /// refused.
    pub(super) async fn with_commits(
        &self,
        repository: &Repository,
        push_id: i64,
        resource: &mut Value,
    ) -> Result<(), Stop> {
        let get = |credential| self.client.commits_of_push(credential, repository, push_id);
        let commits = match self.turn.call(Scope::Code, PURPOSE, get).await {
            Err(stop) if is_refused(&stop) => return Ok(()),
            commits => commits?,
        };
        if let Some(resource) = resource.as_object_mut() {
            resource.insert("commits".into(), commits);
        }
        Ok(())
    }
}

/// Azure DevOps answered, and will answer the same again.
fn is_refused(stop: &Stop) -> bool {
    let Stop::Call(CallError::Ado(error)) = stop else { return false };
    matches!(error, Error::Forbidden { .. } | Error::NotFound { .. } | Error::Rejected { .. })
}

fn too_many(what: String) -> Stop {
    let reason = format!("{what}: catch-up does not follow so many");
    let error = Error::Unavailable { reason, doubtful: false, retry_after: None };
    Stop::Call(CallError::Ado(error))
}
