//! What Azure DevOps lets a developer do with a repository. It is asked as the developer, since it
//! answers for the caller only, and the answer is kept for five minutes.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;

use super::callback::SignInError;
use super::identities::{Identities, Identity};
use super::sign_in::SignIn;
use crate::ado::{self, Client, Credential, Throttle};
use crate::deps::Deps;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// How long an answer of Azure DevOps is kept.
const ANSWER_AGE_MAX: Duration = Duration::from_secs(5 * 60);
/// An access token is not used when it ends sooner than this.
const MARGIN: Duration = Duration::from_secs(60);
/// Answers, and access tokens, that are kept at once.
const CACHED_MAX: usize = 20_000;

/// See the module.
#[derive(Debug)]
pub struct Rights {
    /// By the name of the organization in lower case. They have a rate budget of their own, since
    /// Azure DevOps limits each account apart.
    clients: HashMap<String, Client>,
    sign_in: Option<Arc<SignIn>>,
    /// By the id of the session.
    access_tokens: DashMap<String, Cached<Secret>>,
    answers: DashMap<Question, Cached<bool>>,
}

/// Whose rights are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// The id of the session.
    pub session: &'a str,
    pub name: &'a str,
    pub refresh_token: Option<&'a Secret>,
    /// When the session is over.
    pub until: Timestamp,
}

/// What is asked of Azure DevOps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    Read,
    Contribute,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    session: String,
    right: Right,
    organization: String,
    project: String,
    repository: String,
}

/// A value, and until when it is good.
#[derive(Clone, Debug)]
struct Cached<T> {
    value: T,
    until: Timestamp,
}

impl Rights {
    pub fn new(identities: &Identities, sign_in: Option<Arc<SignIn>>, deps: &Deps) -> Self {
        let throttle = Arc::new(Throttle::of_people());
        let client = |(name, identity): (&String, &Identity)| {
            let options = identity.client.options().clone();
            let (http, throttle) = (deps.http.clone(), Arc::clone(&throttle));
            let client = Client::new(http, options, throttle, deps.clock.clone());
            (name.to_ascii_lowercase(), client)
        };
        let clients = identities.by_organization.iter().map(client).collect();
        Self { clients, sign_in, access_tokens: DashMap::new(), answers: DashMap::new() }
    }

    /// Whether the person has this right to a repository, which is named by its name or its id.
    ///
    /// # Errors
    /// Azure DevOps or Entra does not answer.
    pub async fn has(
        &self,
        person: Person<'_>,
        right: Right,
        (organization, project, repository): (&str, &str, &str),
        now: Timestamp,
    ) -> Result<bool, SignInError> {
        let question = Question {
            session: person.session.to_owned(),
            right,
            organization: organization.to_ascii_lowercase(),
            project: project.to_lowercase(),
            repository: repository.to_lowercase(),
        };
        if let Some(known) = cached(&self.answers, &question, now) {
            return Ok(known);
        }
        let value = self.ask(person, &question, now).await?;
        cache(&self.answers, question, Cached { value, until: now.plus(ANSWER_AGE_MAX) }, now);
        Ok(value)
    }

    /// An access token that was revoked is renewed, and the question is asked once more.
    async fn ask(
        &self,
        person: Person<'_>,
        question: &Question,
        now: Timestamp,
    ) -> Result<bool, SignInError> {
        let had_token = cached(&self.access_tokens, person.session, now).is_some();
        let answer = self.ask_once(person, question, now).await;
        match answer {
            Err(Unanswered::Unauthorized) if had_token => {
                self.ask_once(person, question, now).await.or_else(Unanswered::or_no)
            }
            answer => answer.or_else(Unanswered::or_no),
        }
    }

    async fn ask_once(
        &self,
        person: Person<'_>,
        question: &Question,
        now: Timestamp,
    ) -> Result<bool, Unanswered> {
        let Some(client) = self.clients.get(&question.organization) else { return Ok(false) };
        let token = self.access_token(person, now).await.map_err(Unanswered::Failed)?;
        let Some(token) = token else { return Ok(false) };
        let credential = || Credential::from_bearer(&token);
        let (project, repository) = (&question.project, &question.repository);
        let answer = match client.repository(credential(), project, repository).await {
            Ok(_) if question.right == Right::Read => Ok(true),
            Ok(found) => client.caller_may_contribute(credential(), &found).await,
            Err(error) => Err(error),
        };
        if let Err(ado::Error::Unauthorized { .. }) = answer {
            self.access_tokens.remove(person.session);
            return Err(Unanswered::Unauthorized);
        }
        answer.or_else(|error| refusal(&error).map_err(Unanswered::Failed))
    }

    /// An access token of the person; none where Entra gives none any more.
    async fn access_token(
        &self,
        person: Person<'_>,
        now: Timestamp,
    ) -> Result<Option<Secret>, SignInError> {
        if let Some(token) = cached(&self.access_tokens, person.session, now) {
            return Ok(Some(token));
        }
        let (Some(sign_in), Some(refresh_token)) = (&self.sign_in, person.refresh_token) else {
            return Ok(None);
        };
        let tokens = match sign_in.access_token(refresh_token).await {
            Ok(tokens) => tokens,
            Err(SignInError::Refused(reason)) => {
                let name = person.name;
                tracing::warn!("Entra gives {name} no access token any more: {reason}");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let until =
            Timestamp::from_micros(tokens.expires_at.micros().saturating_sub(micros(MARGIN)))
                .min(person.until);
        let answer = Cached { value: tokens.access_token.clone(), until };
        cache(&self.access_tokens, person.session.to_owned(), answer, now);
        Ok(Some(tokens.access_token))
    }
}

/// Why a question has no answer.
enum Unanswered {
    /// Azure DevOps does not take the access token.
    Unauthorized,
    Failed(SignInError),
}

impl Unanswered {
    /// Whose token is not taken may do nothing.
    fn or_no(self) -> Result<bool, SignInError> {
        match self {
            Unanswered::Unauthorized => Ok(false),
            Unanswered::Failed(error) => Err(error),
        }
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// What an error of Azure DevOps means: the person may not, or nobody knows.
fn refusal(error: &ado::Error) -> Result<bool, SignInError> {
    match error {
        ado::Error::Forbidden { .. } | ado::Error::NotFound { .. } => Ok(false),
        error => Err(SignInError::Unavailable(error.to_string())),
    }
}

fn cached<K, Q, V>(all: &DashMap<K, Cached<V>>, key: &Q, now: Timestamp) -> Option<V>
where
    K: Borrow<Q> + Eq + Hash,
    Q: Eq + Hash + ?Sized,
    V: Clone,
{
    let found = all.get(key)?;
    (now < found.until).then(|| found.value.clone())
}

/// Keeps a value. Where there are too many, those that are not good any more make room, or all do.
fn cache<K: Eq + Hash, V>(all: &DashMap<K, Cached<V>>, key: K, value: Cached<V>, now: Timestamp) {
    if all.len() >= CACHED_MAX {
        all.retain(|_, one| now < one.until);
        if all.len() >= CACHED_MAX {
            all.clear();
        }
    }
    all.insert(key, value);
}
