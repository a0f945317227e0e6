//! The lists of Azure DevOps that a scan reads, page by page, each page with a credential of its
//! own and no more pages than a maximum.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::pass::{Pass, Stop};
use crate::ado::{Client, Error, ListedComment, ListedPullRequest, ListedPush, Scope, Which};
use crate::credentials::CallError;
use crate::domain::catch_up::Heads;
use crate::domain::event::Repository;
use crate::domain::time::Timestamp;

/// The most pages of one list of pull requests, of a hundred each.
const PULL_REQUEST_PAGES_MAX: usize = 50;
/// The most pages of one list of pushes, of a hundred each.
const PUSH_PAGES_MAX: usize = 20;
/// The most pages of one list of refs, of a thousand each.
const REF_PAGES_MAX: usize = 50;
/// The purpose of the calls.
const PURPOSE: &str = "catch-up";

/// What was read of a list, and whether that is all of it.
#[derive(Debug)]
pub(super) struct Listed<T> {
    pub(super) items: Vec<T>,
    pub(super) is_complete: bool,
}

/// Reads the lists of one organization.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lists<'a> {
    pub(super) client: &'a Client,
    pub(super) pass: &'a Pass<'a>,
}

impl Lists<'_> {
    /// The pull requests of a project.
    pub(super) async fn pull_requests(
        &self,
        project_id: &str,
        which: Which,
    ) -> Result<Listed<ListedPullRequest>, Stop> {
        let (mut items, mut skip) = (Vec::new(), 0);
        for _ in 0..PULL_REQUEST_PAGES_MAX {
            let list = |credential| self.client.pull_requests(credential, project_id, which, skip);
            let page = self.pass.call(Scope::Code, PURPOSE, list).await?;
            items.extend(page.items);
            skip += page.listed;
            if page.is_last {
                return Ok(Listed { items, is_complete: true });
            }
        }
        Ok(Listed { items, is_complete: false })
    }

    /// One pull request; none where it does not exist any more.
    pub(super) async fn pull_request(
        &self,
        project_id: &str,
        id: i64,
    ) -> Result<Option<ListedPullRequest>, Stop> {
        let get = |credential| self.client.pull_request(credential, project_id, id);
        self.pass.call(Scope::Code, PURPOSE, get).await
    }

    /// The labels of a pull request; none where Azure DevOps refuses to list them.
    pub(super) async fn labels(
        &self,
        repository: &Repository,
        id: i64,
    ) -> Result<Option<Vec<Value>>, Stop> {
        let list = |credential| self.client.labels(credential, repository, id);
        match self.pass.call(Scope::Code, PURPOSE, list).await {
            Err(stop) if is_refused(&stop) => Ok(None),
            labels => labels.map(Some),
        }
    }

    /// The comments on a pull request; none where Azure DevOps refuses to list them.
    pub(super) async fn comments(
        &self,
        repository: &Repository,
        id: i64,
    ) -> Result<Vec<ListedComment>, Stop> {
        let list = |credential| self.client.comments(credential, repository, id);
        match self.pass.call(Scope::Code, PURPOSE, list).await {
            Err(stop) if is_refused(&stop) => Ok(Vec::new()),
            comments => comments,
        }
    }

    /// All refs under these prefixes.
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
                    // The refs beyond the last page would count as deleted.
                    return Err(too_many(format!("more than {} refs", list.len())));
                }
                let next = after.as_deref();
                let read = |credential| self.client.refs(credential, repository, filter, next);
                let (heads, next) = self.pass.call(Scope::Code, PURPOSE, read).await?;
                list.extend(heads.into_iter().filter(|(name, _)| name.starts_with(prefix)));
                after = next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(Heads { prefixes, list })
    }

    /// The pushes since a time; none where Azure DevOps refuses to list them.
    pub(super) async fn pushes(
        &self,
        repository: &Repository,
        since: Timestamp,
    ) -> Result<Option<Listed<ListedPush>>, Stop> {
        let (mut items, mut skip, mut is_whole) = (Vec::new(), 0, true);
        for _ in 0..PUSH_PAGES_MAX {
            let list = |credential| self.client.pushes(credential, repository, since, skip);
            let page = match self.pass.call(Scope::Code, PURPOSE, list).await {
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

    /// Adds the commits of a push with their messages to its resource, unless Azure DevOps refuses
    /// to list them.
    pub(super) async fn with_commits(
        &self,
        repository: &Repository,
        push_id: i64,
        resource: &mut Value,
    ) -> Result<(), Stop> {
        let get = |credential| self.client.commits_of_push(credential, repository, push_id);
        let commits = match self.pass.call(Scope::Code, PURPOSE, get).await {
            Err(stop) if is_refused(&stop) => return Ok(()),
            commits => commits?,
        };
        if let Some(resource) = resource.as_object_mut() {
            resource.insert("commits".into(), commits);
        }
        Ok(())
    }
}

/// Whether Azure DevOps refused the call and will refuse it again.
fn is_refused(stop: &Stop) -> bool {
    let Stop::Call(CallError::Ado(error)) = stop else { return false };
    matches!(error, Error::Forbidden { .. } | Error::NotFound { .. } | Error::Rejected { .. })
}

fn too_many(what: String) -> Stop {
    let reason = format!("{what}: catch-up does not read so many");
    let error = Error::Unavailable { reason, doubtful: false, retry_after: None };
    Stop::Call(CallError::Ado(error))
}
