//! Lists of pull requests, refs and pushes, for catch-up.
//!
//! List items have the shape of the resource of a hook delivery (docs/azure-devops.md §2.3, §2.4),
//! so the same code reads them. Every call is one page.

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

/// Below the default page size of each of these lists.
const PAGE: usize = 100;
/// "It cannot be bigger than 1000" (Microsoft Learn: "Refs - List").
const REFS_PER_PAGE: usize = 1_000;
/// A listed pull request has some kilobytes, a push less.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Commits that are read of one push, for `[skip ci]` in their messages.
const COMMITS_MAX: usize = 100;
/// Characters of a continuation token; a longer one is refused.
const TOKEN_CHARS_MAX: usize = 2_000;

/// One page.
#[derive(Clone, Debug)]
pub struct Part<T> {
    pub items: Vec<T>,
    /// No page follows.
    pub is_last: bool,
    /// Items on the page, unreadable ones included: the offset of the next page.
    pub listed: usize,
}

impl<T> Part<T> {
    /// Whether every item could be read.
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

/// A pull request and the JSON that it was read from.
#[derive(Clone, Debug)]
pub struct ListedPullRequest {
    pub seen: SeenPullRequest,
    pub resource: Value,
    /// Lists cut descriptions: this one may be incomplete.
    pub is_cut: bool,
}

impl ListedPullRequest {
    /// Inserts the labels, which are listed by a call of their own, into the resource, so that they
    /// are read, stored and replayed with it.
    pub fn insert_labels(&mut self, labels: Vec<Value>) {
        if let Some(resource) = self.resource.as_object_mut() {
            resource.insert("labels".into(), Value::Array(labels));
        }
        if let Some(read) = pull_request(&self.resource) {
            self.seen = read.seen;
        }
    }

    /// The labels in the resource; none where it holds no list of labels.
    pub fn labels(&self) -> Option<Vec<Value>> {
        self.resource.get("labels").and_then(Value::as_array).cloned()
    }
}

/// A push and the JSON that it was read from.
#[derive(Clone, Debug)]
pub struct ListedPush {
    pub push: Push,
    pub resource: Value,
}

/// Lists cut descriptions to so many characters.
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

    /// One pull request with its whole description; none where it does not exist any more.
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

    /// The labels of a pull request as JSON. Microsoft Learn: "Pull Request Labels -
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

    /// Object ids by ref name, of refs whose names begin with `refs/` and `filter`; and the token
    /// of the next page. `after` is the token of the page before.
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
        // A ref that is left out would count as deleted.
        let heads = heads.ok_or_else(|| unreadable("a ref has no name or no object id"))?;
        let next = next.filter(|next| !next.is_empty());
        if next.as_ref().is_some_and(|next| next.len() > TOKEN_CHARS_MAX) {
            return Err(unreadable("the continuation token is too long"));
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

    /// The first commits of a push as JSON.
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

/// Path segments of a repository, by ids, so that a rename does not matter.
fn of(repository: &Repository) -> [&str; 5] {
    [&repository.project_id, "_apis", "git", "repositories", &repository.id]
}

fn page<'a>(segments: &'a [&'a str], query: &'a [(&'a str, &'a str)]) -> Call<'a> {
    Call { query, answer_bytes_max: PAGE_BYTES_MAX, ..Call::new(Method::GET, segments) }
}

fn items(answer: &Value) -> Result<&[Value], Error> {
    let items = answer.get("value").and_then(Value::as_array).map(Vec::as_slice);
    items.ok_or_else(|| unreadable("it is no list"))
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
    // A pull request that is not closed may have the year 1 as `closedDate`.
    Timestamp::parse(resource.get(key)?.as_str()?).filter(|at| *at > Timestamp::ZERO)
}

fn unreadable(why: &str) -> Error {
    let reason = format!("the list cannot be used: {why}");
    Error::Unavailable { reason, doubtful: false, retry_after: None }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
