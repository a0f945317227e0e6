//! What happened in repositories, read from lists: pull requests, heads, and pushes.
//!
//! What a list holds has the shape of what a hook delivers (docs/azure-devops.md §2.3 and §2.4), so
//! it is read by the same code and kept as it came. Every call is one page. It must never know what
//! was missed.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;

use super::client::Call;
use super::hooks::catch_up_payload::{PULL_REQUEST, PUSH, understood};
use super::{Client, Credential, Error};
use crate::domain::catch_up::SeenPullRequest;
use crate::domain::event::Repository;
use crate::domain::fact::{Fact, Push};
use crate::domain::time::Timestamp;

/// Below what any of these lists gives when it is not told how much.
const PAGE: usize = 100;
/// "It cannot be bigger than 1000" (Microsoft Learn: "Refs - List").
const REFS_PER_PAGE: usize = 1_000;
/// A page of pull requests has some kilobytes each, a page of pushes less.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Commits of one push that are asked for: their messages may ask for no CI.
const COMMITS_MAX: usize = 100;
/// Characters of a continuation token that is believed.
const TOKEN_CHARS_MAX: usize = 2_000;

/// One page.
#[derive(Clone, Debug)]
pub struct Part<T> {
    pub items: Vec<T>,
    /// Nothing follows.
    pub is_last: bool,
    /// What Azure DevOps listed, what could not be read included: where the next page begins.
    pub listed: usize,
}

impl<T> Part<T> {
    /// Everything that was listed could be read.
    pub fn is_whole(&self) -> bool {
        self.items.len() == self.listed
    }
}

/// Which pull requests of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Active,
    /// Completed or abandoned since then.
    ClosedSince(Timestamp),
}

/// A pull request, and as it was listed.
#[derive(Clone, Debug)]
pub struct ListedPullRequest {
    pub seen: SeenPullRequest,
    pub resource: Value,
    /// Lists cut descriptions: this may be a part of it.
    pub is_cut: bool,
}

impl ListedPullRequest {
    /// Puts its labels, listed by themselves, where a list that tells them has them: so they are
    /// read, kept and replayed like everything else of it.
    pub fn tell_labels(&mut self, labels: Vec<Value>) {
        if let Some(resource) = self.resource.as_object_mut() {
            resource.insert("labels".into(), Value::Array(labels));
        }
        if let Some(read) = pull_request(&self.resource) {
            self.seen = read.seen;
        }
    }

    /// Its labels as they were told; none where they were not.
    pub fn labels(&self) -> Option<Vec<Value>> {
        self.resource.get("labels").and_then(Value::as_array).cloned()
    }
}

/// A push, and as it was listed.
#[derive(Clone, Debug)]
pub struct ListedPush {
    pub push: Push,
    pub resource: Value,
}

/// Characters of a description that lists give.
const DESCRIPTION_CHARS: usize = 400;

impl Client {
    /// Pull requests into the repositories of a project, after the first `skip`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn pull_requests(
        &self,
        credential: Credential,
        project_id: &str,
        which: Which,
        skip: usize,
    ) -> Result<Part<ListedPullRequest>, Error> {
        let (top, skip) = (PAGE.to_string(), skip.to_string());
        let mut query = vec![("$top", top.as_str()), ("$skip", &skip)];
        let since;
        match which {
            Which::Active => query.push(("searchCriteria.status", "active")),
            Which::ClosedSince(at) => {
                since = at.to_string();
                query.push(("searchCriteria.status", "all"));
                query.push(("searchCriteria.queryTimeRangeType", "closed"));
                query.push(("searchCriteria.minTime", &since));
            }
        }
        let segments = [project_id, "_apis", "git", "pullrequests"];
        let call = page(&segments, &query);
        let answer = self.call(credential, call).await?;
        Ok(paged(items(&answer)?, PAGE, pull_request))
    }

    /// One pull request, whole; none where it is not one any more.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn pull_request(
        &self,
        credential: Credential,
        project_id: &str,
        id: i64,
    ) -> Result<Option<ListedPullRequest>, Error> {
        let id = id.to_string();
        let segments = [project_id, "_apis", "git", "pullrequests", &id];
        let answer = self.call(credential, Call::new(Method::GET, &segments)).await;
        match answer {
            Ok(resource) => {
                let whole = |listed| ListedPullRequest { is_cut: false, ..listed };
                Ok(pull_request(&resource).map(whole))
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The labels of a pull request, as they are listed. Microsoft Learn: "Pull Request Labels -
    /// List".
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn labels(
        &self,
        credential: Credential,
        repository: &Repository,
        id: i64,
    ) -> Result<Vec<Value>, Error> {
        let id = id.to_string();
        let segments = [&of(repository)[..], &["pullRequests", &id, "labels"]].concat();
        let answer = self.call(credential, page(&segments, &[])).await?;
        Ok(items(&answer)?.to_vec())
    }

    /// Object ids of the refs whose names begin with `refs/` and `filter`, after a page, with what
    /// the next one is asked for by.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn refs(
        &self,
        credential: Credential,
        repository: &Repository,
        filter: &str,
        after: Option<&str>,
    ) -> Result<(BTreeMap<String, String>, Option<String>), Error> {
        let top = REFS_PER_PAGE.to_string();
        let mut query = vec![("filter", filter), ("$top", top.as_str())];
        query.extend(after.map(|after| ("continuationToken", after)));
        let segments = [&of(repository)[..], &["refs"]].concat();
        let call = page(&segments, &query);
        let (answer, next) = self.call_page(credential, call).await?;
        let head = |item: &Value| {
            let id = item.get("objectId")?.as_str()?.to_lowercase();
            Some((item.get("name")?.as_str()?.to_owned(), id))
        };
        let heads: Option<BTreeMap<_, _>> = items(&answer)?.iter().map(head).collect();
        // A head that is left out would be taken for one that is gone.
        let heads = heads.ok_or_else(|| nonsense("a ref has no name or no object"))?;
        let next = next.filter(|next| !next.is_empty());
        if next.as_ref().is_some_and(|next| next.len() > TOKEN_CHARS_MAX) {
            return Err(nonsense("what the next page is asked for by is too long"));
        }
        Ok((heads, next))
    }

    /// Pushes to a repository since a moment, newest first, after the first `skip`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn pushes(
        &self,
        credential: Credential,
        repository: &Repository,
        since: Timestamp,
        skip: usize,
    ) -> Result<Part<ListedPush>, Error> {
        let (top, skip, since) = (PAGE.to_string(), skip.to_string(), since.to_string());
        let query = [
            ("searchCriteria.fromDate", since.as_str()),
            ("searchCriteria.includeRefUpdates", "true"),
            ("$top", &top),
            ("$skip", &skip),
        ];
        let segments = [&of(repository)[..], &["pushes"]].concat();
        let answer = self.call(credential, page(&segments, &query)).await?;
        Ok(paged(items(&answer)?, PAGE, push))
    }

    /// The first commits of a push, as they are listed.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn commits_of_push(
        &self,
        credential: Credential,
        repository: &Repository,
        push_id: i64,
    ) -> Result<Value, Error> {
        let (id, count) = (push_id.to_string(), COMMITS_MAX.to_string());
        let query = [("includeCommits", count.as_str())];
        let segments = [&of(repository)[..], &["pushes", &id]].concat();
        let mut answer = self.call(credential, page(&segments, &query)).await?;
        Ok(answer.get_mut("commits").map(Value::take).unwrap_or_default())
    }
}

/// Of the repository itself: its ids, so that a rename does not matter.
fn of(repository: &Repository) -> [&str; 5] {
    [&repository.project_id, "_apis", "git", "repositories", &repository.id]
}

fn page<'a>(segments: &'a [&'a str], query: &'a [(&'a str, &'a str)]) -> Call<'a> {
    Call { query, answer_bytes_max: PAGE_BYTES_MAX, ..Call::new(Method::GET, segments) }
}

fn items(answer: &Value) -> Result<&[Value], Error> {
    let items = answer.get("value").and_then(Value::as_array).map(Vec::as_slice);
    items.ok_or_else(|| nonsense("it is no list"))
}

fn paged<T>(items: &[Value], size: usize, read: impl Fn(&Value) -> Option<T>) -> Part<T> {
    let (listed, is_last) = (items.len(), items.len() < size);
    Part { items: items.iter().filter_map(read).collect(), is_last, listed }
}

fn pull_request(resource: &Value) -> Option<ListedPullRequest> {
    let Fact::PullRequest(pull_request) = understood(PULL_REQUEST, resource).fact else {
        return None;
    };
    let is_cut = pull_request.description.chars().count() >= DESCRIPTION_CHARS;
    let (created_at, closed_at) = (time(resource, "creationDate"), time(resource, "closedDate"));
    let seen = SeenPullRequest { pull_request, created_at, closed_at };
    Some(ListedPullRequest { seen, resource: resource.clone(), is_cut })
}

fn push(resource: &Value) -> Option<ListedPush> {
    let Fact::Push(push) = understood(PUSH, resource).fact else { return None };
    Some(ListedPush { push, resource: resource.clone() })
}

fn time(resource: &Value, key: &str) -> Option<Timestamp> {
    // What is not closed has at times the first day of all.
    Timestamp::parse(resource.get(key)?.as_str()?).filter(|at| *at > Timestamp::ZERO)
}

fn nonsense(why: &str) -> Error {
    let reason = format!("its list cannot be used: {why}");
    Error::Unavailable { reason, doubtful: false, retry_after: None }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
