//! Lists of the projects and repositories that the identity may see.

use reqwest::Method;
use serde::Deserialize;

use super::client::{Call, LONG_CALL_MAX};
use super::{Client, Credential, Error};
use crate::domain::event::Repository;

/// Projects on one page.
pub const PROJECTS_PER_PAGE: usize = 100;
/// Repositories come as one list without pages, one kilobyte each.
const REPOSITORIES_BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Deserialize)]
struct List<T> {
    value: Vec<T>,
}

#[derive(Deserialize)]
struct WireProject {
    id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRepository {
    id: String,
    name: String,
    project: WireProject,
    #[serde(default)]
    is_disabled: bool,
    /// Full ref name; absent while nothing was pushed.
    #[serde(default)]
    default_branch: Option<String>,
}

impl Client {
    /// Ids and names of the projects after the first `skip`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn projects(
        &self,
        credential: Credential,
        skip: usize,
    ) -> Result<Vec<(String, String)>, Error> {
        let (top, skip) = (PROJECTS_PER_PAGE.to_string(), skip.to_string());
        let query = [("stateFilter", "wellFormed"), ("$top", &top), ("$skip", &skip)];
        let call = Call { query: &query, ..Call::new(Method::GET, &["_apis", "projects"]) };
        let answer = self.call(credential, call).await?;
        let list = List::<WireProject>::deserialize(answer);
        let list = list.map_err(|error| unreadable("projects", &error))?;
        let project = |project: WireProject| (project.id.to_lowercase(), project.name);
        Ok(list.value.into_iter().map(project).collect())
    }

    /// The id of the project of this name.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn project_id(&self, credential: Credential, name: &str) -> Result<String, Error> {
        let segments = ["_apis", "projects", name];
        let answer = self.call(credential, Call::new(Method::GET, &segments)).await?;
        let project = WireProject::deserialize(answer);
        Ok(project.map_err(|error| unreadable("projects", &error))?.id.to_lowercase())
    }

    /// The repository of a project; both are named by their names or ids.
    ///
    /// # Errors
    /// `NotFound` also where the caller may not read it; see [`Error`].
    pub async fn repository(
        &self,
        credential: Credential,
        project: &str,
        repository: &str,
    ) -> Result<Repository, Error> {
        let segments = [project, "_apis", "git", "repositories", repository];
        let answer = self.call(credential, Call::new(Method::GET, &segments)).await?;
        let found = WireRepository::deserialize(answer);
        Ok(found.map_err(|error| unreadable("repositories", &error))?.into())
    }

    /// The repositories of the organization that are not disabled.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn repositories(&self, credential: Credential) -> Result<Vec<Repository>, Error> {
        let all = self.repositories_and_defaults(credential).await?;
        Ok(all.into_iter().map(|(repository, _)| repository).collect())
    }

    /// As [`Client::repositories`], each with the full ref name of its default branch; none where
    /// nothing was pushed yet.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn repositories_and_defaults(
        &self,
        credential: Credential,
    ) -> Result<Vec<(Repository, Option<String>)>, Error> {
        let call = Call {
            answer_bytes_max: REPOSITORIES_BYTES_MAX,
            timeout: LONG_CALL_MAX,
            ..Call::new(Method::GET, &["_apis", "git", "repositories"])
        };
        let answer = self.call(credential, call).await?;
        let list = List::<WireRepository>::deserialize(answer);
        let list = list.map_err(|error| unreadable("repositories", &error))?;
        let in_use = list.value.into_iter().filter(|repository| !repository.is_disabled);
        let repository = |mut wire: WireRepository| {
            let default_branch = wire.default_branch.take().filter(|name| !name.is_empty());
            (wire.into(), default_branch)
        };
        Ok(in_use.map(repository).collect())
    }
}

impl From<WireRepository> for Repository {
    fn from(wire: WireRepository) -> Self {
        Self {
            id: wire.id.to_lowercase(),
            name: wire.name,
            project_id: wire.project.id.to_lowercase(),
            project: wire.project.name,
        }
    }
}

fn unreadable(what: &str, error: &serde_json::Error) -> Error {
    Error::Unavailable {
        reason: format!("the answer is no list of {what} ({error})"),
        doubtful: false,
        retry_after: None,
    }
}
