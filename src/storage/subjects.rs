//! What people look for: repositories, pull requests and branches by the names that they have at
//! hand, and what is known of each.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::Error;
use super::page::{Page, Paged};
use super::statuses::StatusRow;
use crate::domain::event::Repository;
use crate::domain::id::RunId;
use crate::domain::run::Run;
use crate::domain::time::Timestamp;

/// Pull requests, branches or runs that one search finds.
pub const FOUND_MAX: usize = 50;
/// Statuses of several runs that are read at once.
pub const STATUSES_MAX: usize = 500;

/// A repository by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryRow {
    pub repository: Repository,
    /// As `project/repository`.
    pub former_names: Vec<String>,
    /// Events before this time start nothing; none while catch-up does not watch it.
    pub since: Option<Timestamp>,
    /// Every event before this time of Azure DevOps has been stored.
    pub read_until: Option<Timestamp>,
}

/// Something of a repository of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T> {
    pub organization: String,
    pub repository: Repository,
    pub value: T,
}

/// Finds what a page is about. Nothing is found by the beginning of a name, apart from commits.
#[async_trait]
pub trait Subjects: Debug + Send + Sync {
    /// The repository that is called so, each of the two by its name, without regard to case, or
    /// by its GUID.
    async fn repository_called(
        &self,
        organization: &str,
        project: &str,
        repository: &str,
    ) -> Result<Option<RepositoryRow>, Error>;

    /// The pull requests of this number that are known, also those that started nothing. An
    /// organization counts its pull requests, so there are few.
    async fn pull_requests_numbered(&self, id: i64) -> Result<Vec<Named<i64>>, Error>;

    /// The branches and tags of this full name that are known.
    async fn refs_named(&self, name: &str) -> Result<Vec<Named<String>>, Error>;

    /// The newest runs of commits whose ids begin so; at least 7 digits, at most 16.
    async fn runs_of_commits(&self, beginning: &str) -> Result<Vec<Run>, Error>;

    /// Of each pull request that has runs the newest run, newest first.
    async fn newest_runs(
        &self,
        organization: Option<String>,
        repository: Option<String>,
        page: Page,
    ) -> Result<Paged<Run>, Error>;

    /// The newest runs of each of these subjects (`domain::run_keys`), with their organizations.
    async fn runs_of_subjects(
        &self,
        subjects: Vec<(String, String)>,
        each: usize,
    ) -> Result<Vec<Run>, Error>;

    /// The statuses of these runs, oldest first: the first [`STATUSES_MAX`].
    async fn statuses_of_runs(&self, runs: Vec<RunId>) -> Result<Vec<StatusRow>, Error>;
}
