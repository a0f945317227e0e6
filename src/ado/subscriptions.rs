//! Service-hook subscriptions over REST (docs/azure-devops.md §1.1, §2.2, §3).
//!
//! Lists are always filtered by event type: without the filter they time out in large
//! organizations. Secrets in an answer are masked, so an answer is never sent back: replacing a
//! subscription sends the whole of it.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::client::{Call, LONG_CALL_MAX};
use super::options::under;
use super::{Client, Credential, Error, Scope};
use crate::domain::subscription::{Desired, Found, HookScope, Settings, State, Topic};
use crate::domain::time::Timestamp;
use crate::secret::Secret;

const PUBLISHER: &str = "tfs";
const CONSUMER: &str = "webHooks";
const ACTION: &str = "httpRequest";
/// The Basic user name of every hook that the gateway makes.
const USER: &str = "azure-devops";
/// A subscription has two kilobytes, and other systems may have made thousands.
const LIST_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Stands for a secret that is set.
const SET: &str = "(set)";

const PASSWORD: &str = "basicAuthPassword";
const VERSION: &str = "resourceVersion";
/// Settings that are consumer inputs; all others are filters of the publisher.
const CONSUMER_INPUTS: [&str; 6] = [
    "url",
    "basicAuthUsername",
    PASSWORD,
    "resourceDetailsToSend",
    "messagesToSend",
    "detailedMessagesToSend",
];

fn event_type(topic: Topic) -> &'static str {
    match topic {
        Topic::Pushes => "git.push",
        Topic::PullRequestsCreated => "git.pullrequest.created",
        Topic::PullRequestsUpdated => "git.pullrequest.updated",
        Topic::Comments => "ms.vss-code.git-pullrequest-comment-event",
        Topic::BuildsCompleted => "build.complete",
    }
}

/// The topic whose subscriptions deliver events of this type.
pub(super) fn topic_of(of: &str) -> Option<Topic> {
    Topic::ALL.into_iter().find(|topic| event_type(*topic) == of)
}

/// The scope of tokens for calls about subscriptions to a topic (docs/azure-devops.md §4.3).
pub fn scope_of_hooks(topic: Topic) -> Scope {
    match topic {
        Topic::BuildsCompleted => Scope::Build,
        _ => Scope::Code,
    }
}

/// Filters that a person may have set; empty means any.
fn filters(topic: Topic) -> &'static [&'static str] {
    const CREATED: [&str; 4] =
        ["repository", "branch", "pullrequestCreatedBy", "pullrequestReviewersContains"];
    match topic {
        Topic::Pushes => &["repository", "branch", "pushedBy"],
        Topic::PullRequestsCreated => &CREATED,
        Topic::PullRequestsUpdated => &[
            "repository",
            "branch",
            "pullrequestCreatedBy",
            "pullrequestReviewersContains",
            "notificationType",
        ],
        Topic::Comments => &["repository", "branch"],
        Topic::BuildsCompleted => &["definitionName", "buildStatus"],
    }
}

/// The address of a hook.
pub fn hook_url(public_url: &Url, organization: &str, hook: &str) -> Url {
    under(public_url, &["hooks", "azure-devops", organization, hook])
}

/// The name of the hook that a URL delivers to, if it is a hook of this gateway. Scheme, host, port
/// and path compare as RFC 3986 says, the path without case.
pub fn hook_of(public_url: &Url, organization: &str, url: &str) -> Option<String> {
    let url = Url::parse(url.trim()).ok()?;
    let found: Vec<&str> = url.path_segments()?.collect();
    let (hook, found) = found.split_last()?;
    let expected = hook_url(public_url, organization, hook);
    let mut wanted: Vec<&str> = expected.path_segments()?.collect();
    wanted.pop();
    let same_place = (url.scheme(), url.host_str(), url.port_or_known_default())
        == (expected.scheme(), expected.host_str(), expected.port_or_known_default());
    let same_path = found.len() == wanted.len()
        && found.iter().zip(&wanted).all(|(found, wanted)| found.eq_ignore_ascii_case(wanted));
    (same_place && same_path && !hook.is_empty()).then(|| (*hook).to_owned())
}

/// The desired settings of a subscription of this scope that delivers to `url`.
pub fn settings(hook_scope: &HookScope, url: &Url) -> Settings {
    // Azure DevOps accepts other versions and then delivers nothing (docs/azure-devops.md §1.2);
    // comments name no pull request before 2.0, and builds no project of theirs.
    let version = match hook_scope.topic {
        Topic::Comments | Topic::BuildsCompleted => "2.0",
        _ => "1.0",
    };
    let set = [
        ("projectId", hook_scope.project_id.as_str()),
        (VERSION, version),
        ("url", url.as_str()),
        ("basicAuthUsername", USER),
        (PASSWORD, SET),
        // With less, a push may lack its refs (docs/azure-devops.md §1.1).
        ("resourceDetailsToSend", "all"),
        // The English messages are not used.
        ("messagesToSend", "none"),
        ("detailedMessagesToSend", "none"),
    ];
    let any = filters(hook_scope.topic).iter().map(|filter| (*filter, ""));
    set.into_iter().chain(any).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    results: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    id: String,
    status: Option<Value>,
    resource_version: Option<String>,
    publisher_inputs: Option<BTreeMap<String, Value>>,
    consumer_inputs: Option<BTreeMap<String, Value>>,
    created_date: Option<String>,
    created_by: Option<Person>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    display_name: Option<String>,
}

impl Client {
    /// All web hooks of the organization about one topic, those of other systems included.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn subscriptions(
        &self,
        credential: Credential,
        topic: Topic,
    ) -> Result<Vec<Found>, Error> {
        let query = json!({
            "publisherId": PUBLISHER,
            "eventType": event_type(topic),
            "consumerId": CONSUMER,
            "consumerActionId": ACTION,
        });
        let call = Call {
            body: Some(query),
            answer_bytes_max: LIST_BYTES_MAX,
            timeout: LONG_CALL_MAX,
            ..Call::new(Method::POST, &["_apis", "hooks", "subscriptionsquery"])
        };
        let answer = self.call(credential, call).await?;
        // An answer without the list is not an empty list: existing subscriptions would be created
        // twice.
        let found = Results::deserialize(answer).map_err(|error| unreadable(&error))?.results;
        let found = found.ok_or_else(|| unreadable(&"it has no results"))?;
        found.iter().map(|value| read(value, topic)).collect()
    }

    /// Creates a subscription.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_subscription(
        &self,
        credential: Credential,
        wanted: &Desired,
        password: &Secret,
    ) -> Result<Found, Error> {
        let call = Call {
            body: Some(body(wanted, password)),
            ..Call::new(Method::POST, &["_apis", "hooks", "subscriptions"])
        };
        let answer = self.call(credential, call).await?;
        read(&answer, wanted.hook_scope.topic)
    }

    /// Replaces a subscription as a whole.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn replace_subscription(
        &self,
        credential: Credential,
        id: &str,
        wanted: &Desired,
        password: &Secret,
    ) -> Result<Found, Error> {
        let mut body = body(wanted, password);
        if let Some(fields) = body.as_object_mut() {
            fields.insert("id".into(), json!(id));
            fields.insert("status".into(), json!("enabled"));
        }
        let segments = ["_apis", "hooks", "subscriptions", id];
        let call = Call { body: Some(body), ..Call::new(Method::PUT, &segments) };
        let answer = self.call(credential, call).await?;
        read(&answer, wanted.hook_scope.topic)
    }

    /// Deletes a subscription; one that does not exist any more counts as deleted.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_subscription(&self, credential: Credential, id: &str) -> Result<(), Error> {
        let segments = ["_apis", "hooks", "subscriptions", id];
        match self.call(credential, Call::new(Method::DELETE, &segments)).await {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends a test notification through a subscription.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn test_subscription(
        &self,
        credential: Credential,
        id: &str,
        wanted: &Desired,
        password: &Secret,
    ) -> Result<(), Error> {
        let details = details(wanted, password);
        let call = Call {
            body: Some(json!({ "subscriptionId": id, "details": details })),
            ..Call::new(Method::POST, &["_apis", "hooks", "testnotifications"])
        };
        self.call(credential, call).await.map(drop)
    }
}

/// The JSON of a subscription.
fn body(wanted: &Desired, password: &Secret) -> Value {
    let mut body = details(wanted, password);
    if let Some(fields) = body.as_object_mut() {
        fields.insert(VERSION.into(), json!(wanted.settings.get(VERSION)));
    }
    body
}

/// What a subscription and the details of a test notification have in common: a notification has
/// no version of its resource (docs/azure-devops.md §3). The password stands in
/// `basicAuthPassword`, which Azure DevOps masks.
fn details(wanted: &Desired, password: &Secret) -> Value {
    let (mut publisher, mut consumer) = (Map::new(), Map::new());
    for (name, value) in wanted.settings.iter().filter(|(name, _)| *name != VERSION) {
        let is_consumers = CONSUMER_INPUTS.contains(&name.as_str());
        let inputs = if is_consumers { &mut consumer } else { &mut publisher };
        let value = if name == PASSWORD { password.expose() } else { value };
        inputs.insert(name.clone(), json!(value));
    }
    json!({
        "publisherId": PUBLISHER,
        "eventType": event_type(wanted.hook_scope.topic),
        "consumerId": CONSUMER,
        "consumerActionId": ACTION,
        "publisherInputs": publisher,
        "consumerInputs": consumer,
    })
}

fn read(value: &Value, topic: Topic) -> Result<Found, Error> {
    let wire = Wire::deserialize(value).map_err(|error| unreadable(&error))?;
    let mut settings = Settings::new();
    let inputs = [wire.publisher_inputs, wire.consumer_inputs].into_iter().flatten().flatten();
    for (name, value) in inputs {
        // There are only strings; what others managed to set otherwise must not end the list.
        let value = value.as_str().unwrap_or_default().to_owned();
        let is_secret = name == PASSWORD && !value.is_empty();
        let value = match name.as_str() {
            _ if is_secret => SET.to_owned(),
            // Headers may hold others' secrets, and are none of ours.
            "httpHeaders" => continue,
            "projectId" => value.to_ascii_lowercase(),
            "url" => without_user(&value),
            _ => value,
        };
        settings.insert(name, value);
    }
    // Azure DevOps accepts both spellings.
    if settings.get("resourceDetailsToSend").is_some_and(|details| details == "All") {
        settings.insert("resourceDetailsToSend".into(), "all".into());
    }
    settings.extend(wire.resource_version.map(|version| (VERSION.to_owned(), version)));
    Ok(Found {
        id: wire.id.to_ascii_lowercase(),
        topic,
        project_id: settings.get("projectId").filter(|id| !id.is_empty()).cloned(),
        url: settings.get("url").cloned().unwrap_or_default(),
        state: state(wire.status.as_ref()),
        settings,
        created_at: wire.created_date.as_deref().and_then(Timestamp::parse),
        created_by: wire.created_by.and_then(|by| by.display_name).unwrap_or_default(),
    })
}

/// Removes a user name and password that somebody has put into the URL.
fn without_user(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return url.to_owned() };
    if parsed.username().is_empty() && parsed.password().is_none() {
        return url.to_owned();
    }
    // These fail only for URLs that cannot have a user name.
    let _ = parsed.set_username("").and_then(|()| parsed.set_password(None));
    parsed.into()
}

/// Old subscriptions have no status; that means enabled (docs/azure-devops.md §1.4).
fn state(status: Option<&Value>) -> State {
    match status.map(|status| status.as_str().unwrap_or_default()) {
        None => State::Enabled,
        Some(word) if word.eq_ignore_ascii_case("enabled") => State::Enabled,
        Some(word) if word.eq_ignore_ascii_case("onProbation") => State::OnProbation,
        Some(word) if word.eq_ignore_ascii_case("disabledByUser") => State::DisabledByUser,
        Some(word) if word.eq_ignore_ascii_case("disabledBySystem") => State::DisabledBySystem,
        Some(word) if word.eq_ignore_ascii_case("disabledByInactiveIdentity") => {
            State::DisabledByInactiveIdentity
        }
        Some(_) => State::Unknown,
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> Error {
    Error::Unavailable {
        reason: format!("the answer is no list of subscriptions ({error})"),
        doubtful: true,
        retry_after: None,
    }
}

#[cfg(test)]
#[path = "subscriptions_tests.rs"]
mod tests;
