//! Who wrote a comment with commands, and whether they may give them: asked of Azure DevOps.
//!
//! What a delivery says of a comment is not believed, since whoever has the password of a hook
//! could invent one. Permissions are remembered for a minute.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::ado::{self, Credential, Scope};
use crate::credentials::{self, CallError, Identity, Purpose};
use crate::domain::comment::Comment;
use crate::domain::question::{AboutComment, Iteration};

/// How long an answer about a permission counts.
const PERMISSION_MAX: Duration = Duration::from_secs(60);
/// How long the gateway's own account counts as the same.
const OWN_MAX: Duration = Duration::from_secs(600);
/// Answers in memory.
const ANSWERS_MAX: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Commenters {
    /// By organization, repository and author.
    permissions: Answers<(String, String, String), bool>,
    /// The id of the gateway's account, by organization.
    own: Answers<String, String>,
}

impl Commenters {
    /// What Azure DevOps says about a comment.
    pub(super) async fn about(
        &self,
        identity: &Identity,
        told: &Comment,
        needs_iterations: bool,
    ) -> Result<AboutComment, CallError> {
        let client = &identity.client;
        let found =
            call(identity, Scope::Code, |credential| client.comment(credential, told)).await?;
        let Some(comment) = found else { return Ok(AboutComment::default()) };
        let is_own = self.own(identity).await? == comment.author.id;
        let may = !is_own && self.may(identity, &comment).await?;
        let iterations = match may && needs_iterations {
            true => iterations(identity, &comment).await?,
            false => Vec::new(),
        };
        Ok(AboutComment { comment: Some(comment), is_own, may, iterations })
    }

    async fn own(&self, identity: &Identity) -> Result<String, CallError> {
        let (client, key) = (&identity.client, identity.client.options().name.clone());
        if let Some(id) = self.own.get(&key) {
            return Ok(id);
        }
        let get = |credential| client.connection(credential);
        let id = call(identity, Scope::Code, get).await?.identity.id.to_lowercase();
        self.own.add(key, id.clone(), OWN_MAX);
        Ok(id)
    }

    async fn may(&self, identity: &Identity, comment: &Comment) -> Result<bool, CallError> {
        let (client, author) = (&identity.client, &comment.author.id);
        let organization = client.options().name.clone();
        let key = (organization, comment.repository.id.clone(), author.clone());
        if let Some(may) = self.permissions.get(&key) {
            return Ok(may);
        }
        let get = |credential| client.descriptor_of_id(credential, author);
        let may = match call(identity, Scope::Identity, get).await? {
            None => false,
            Some(descriptor) => {
                let get = |credential| {
                    client.may_contribute(credential, &comment.repository, &descriptor)
                };
                call(identity, Scope::Code, get).await?
            }
        };
        self.permissions.add(key, may, PERMISSION_MAX);
        Ok(may)
    }
}

async fn iterations(identity: &Identity, comment: &Comment) -> Result<Vec<Iteration>, CallError> {
    let Comment { repository, pull_request, .. } = comment;
    let of = (repository.project_id.as_str(), repository.id.as_str());
    let get = |credential| identity.client.iterations(credential, of, *pull_request);
    let found = call(identity, Scope::Code, get).await?;
    let iteration =
        |one: ado::Iteration| Iteration { source_commit: one.source_commit, made_at: one.made_at };
    Ok(found.into_iter().map(iteration).collect())
}

async fn call<T, F>(
    identity: &Identity,
    scope: Scope,
    make: impl Fn(Credential) -> F,
) -> Result<T, CallError>
where
    F: Future<Output = Result<T, ado::Error>>,
{
    credentials::call(identity.source.as_ref(), scope, Purpose::new("command"), make).await
}

/// Answers that count until a point in time.
#[derive(Debug)]
struct Answers<Key, Value>(Mutex<HashMap<Key, (Instant, Value)>>);

impl<Key, Value> Default for Answers<Key, Value> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Key: Eq + std::hash::Hash, Value: Clone> Answers<Key, Value> {
    fn get(&self, key: &Key) -> Option<Value> {
        let answers = self.0.lock();
        let (until, value) = answers.get(key)?;
        (Instant::now() < *until).then(|| value.clone())
    }

    fn add(&self, key: Key, value: Value, lifetime: Duration) {
        let (now, mut answers) = (Instant::now(), self.0.lock());
        if answers.len() >= ANSWERS_MAX {
            answers.retain(|_, (until, _)| now < *until);
        }
        if answers.len() < ANSWERS_MAX {
            answers.insert(key, (now + lifetime, value));
        }
    }
}
