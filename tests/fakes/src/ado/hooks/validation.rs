//! Whether a subscription may be created as asked.
//!
//! The rules of the consumer webHooks and of the publisher tfs (docs/azure-devops.md §1.1, §1.2,
//! §2.2, and §1.3 on URLs). Where a rule is not documented, the strict reading applies.

use std::net::IpAddr;

use serde_json::Value;
use url::{Host, Url};

use super::event::EventKind;
use super::subscription::Inputs;
use crate::ado::rest::refusal::{bad_request, refuse_unless};
use crate::ado::world::World;
use crate::http::Response;

/// Event types that can be subscribed to and that the fake never sends.
const NEVER_FIRED_TYPES: [&str; 4] =
    ["git.repo.created", "git.repo.deleted", "git.repo.renamed", "git.repo.statuschanged"];

const CONSUMER_INPUTS: [&str; 9] = [
    "url",
    "httpHeaders",
    "basicAuthUsername",
    "basicAuthPassword",
    "resourceDetailsToSend",
    "messagesToSend",
    "detailedMessagesToSend",
    "acceptUntrustedCerts",
    "businessJustification",
];

const NOTIFICATION_TYPES: [&str; 4] = [
    "PushNotification",
    "ReviewersUpdateNotification",
    "StatusUpdateNotification",
    "ReviewerVoteNotification",
];

const MERGE_RESULTS: [&str; 5] =
    ["Succeeded", "Unsuccessful", "Conflicts", "Failure", "RejectedByPolicy"];

const BUILD_STATUSES: [&str; 4] = ["Succeeded", "PartiallySucceeded", "Failed", "Stopped"];

/// A requested subscription, once it was validated.
#[derive(Debug)]
pub(super) struct RequestedSubscription {
    pub(super) event_type: String,
    pub(super) resource_version: String,
    pub(super) publisher_inputs: Inputs,
    pub(super) consumer_inputs: Inputs,
}

impl World {
    /// Reads and validates the body of a create or replace call, or the details of a test.
    pub(super) fn requested_subscription(
        &self,
        organization: &str,
        body: &Value,
    ) -> Result<RequestedSubscription, Response> {
        expect_text(body, "publisherId", "tfs")?;
        expect_text(body, "consumerId", "webHooks")?;
        expect_text(body, "consumerActionId", "httpRequest")?;
        let event_type = text(body, "eventType")?;
        let publisher_inputs = inputs(body, "publisherInputs")?;
        let consumer_inputs = inputs(body, "consumerInputs")?;
        let resource_version = resource_version(body, &event_type)?;
        self.check_publisher(organization, &event_type, &publisher_inputs)?;
        self.check_consumer(&consumer_inputs)?;
        Ok(RequestedSubscription {
            event_type,
            resource_version,
            publisher_inputs,
            consumer_inputs,
        })
    }

    fn check_publisher(
        &self,
        organization: &str,
        kind: &str,
        inputs: &Inputs,
    ) -> Result<(), Response> {
        let filters: &[&str] = match EventKind::parse(kind) {
            Some(kind) => kind.filters(),
            None if NEVER_FIRED_TYPES.contains(&kind) => &["repository"],
            None => return Err(bad_request(&format!("There is no event type {kind}."))),
        };
        let always = ["projectId", "teamId", "subscriberId", "tfsSubscriptionId", "hostId"];
        for (name, value) in inputs {
            let known = filters.contains(&name.as_str()) || always.contains(&name.as_str());
            refuse_unless(known, &format!("{kind} has no publisher input {name}."))?;
            let legal = match name.as_str() {
                "notificationType" => value.is_empty() || NOTIFICATION_TYPES.contains(&&**value),
                "mergeResult" => value.is_empty() || MERGE_RESULTS.contains(&&**value),
                "buildStatus" => value.is_empty() || BUILD_STATUSES.contains(&&**value),
                _ => true,
            };
            refuse_unless(legal, &format!("{name} cannot be {value}."))?;
        }
        self.check_scope(organization, inputs)
    }

    fn check_scope(&self, organization: &str, inputs: &Inputs) -> Result<(), Response> {
        let set = |name: &str| inputs.get(name).filter(|value| !value.is_empty());
        let project = set("projectId");
        if let Some(wanted) = project {
            let found = self.projects.iter().any(|project| {
                !project.is_deleted
                    && project.organization == organization
                    && project.id.eq_ignore_ascii_case(wanted)
            });
            refuse_unless(found, &format!("There is no project {wanted}."))?;
        }
        if let Some(wanted) = set("repository") {
            let found = self.repositories.get(&wanted.to_ascii_lowercase()).is_some_and(|one| {
                let in_project = project.is_none_or(|id| one.project.eq_ignore_ascii_case(id));
                in_project && one.organization == organization && !one.is_deleted
            });
            refuse_unless(
                found,
                &format!("There is no repository {wanted} in this project or organization."),
            )?;
        }
        Ok(())
    }

    fn check_consumer(&self, inputs: &Inputs) -> Result<(), Response> {
        let details = ["", "all", "minimal", "none"];
        let messages = ["", "all", "text", "html", "markdown", "none"];
        for (name, value) in inputs {
            let legal = match name.as_str() {
                "resourceDetailsToSend" => details.contains(&&**value),
                "messagesToSend" | "detailedMessagesToSend" => messages.contains(&&**value),
                "acceptUntrustedCerts" => ["", "true", "false"].contains(&&**value),
                "basicAuthUsername" | "basicAuthPassword" => is_credential(value),
                "httpHeaders" => value.lines().all(is_header_line),
                other => CONSUMER_INPUTS.contains(&other),
            };
            refuse_unless(legal, &format!("The consumer input {name} has an invalid value."))?;
        }
        let has_secret = ["basicAuthUsername", "basicAuthPassword"]
            .into_iter()
            .any(|name| inputs.get(name).is_some_and(|value| !value.is_empty()));
        self.check_url(inputs.get("url").map_or("", String::as_str), has_secret)
    }

    fn check_url(&self, text: &str, has_secret: bool) -> Result<(), Response> {
        let refused = |why: &str| Err(bad_request(&format!("The URL of a web hook {why}.")));
        let Ok(url) = Url::parse(text) else { return refused("must be absolute") };
        let Some(host) = url.host() else { return refused("must name a host") };
        if !matches!(url.scheme(), "http" | "https") {
            return refused("must be http or https");
        }
        if !self.options.allow_http_hooks {
            if url.scheme() == "http" && has_secret {
                return refused("must be https where basic authentication is used");
            }
            if is_special(&host) {
                return refused("must not be loopback or in a special range");
            }
        }
        Ok(())
    }
}

fn text(body: &Value, key: &str) -> Result<String, Response> {
    let found = body.get(key).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| bad_request(&format!("{key} must be given as text.")))
}

fn expect_text(body: &Value, key: &str, only: &str) -> Result<(), Response> {
    let found = text(body, key)?;
    refuse_unless(found == only, &format!("{key} {found} does not exist."))
}

fn inputs(body: &Value, key: &str) -> Result<Inputs, Response> {
    let Some(object) = body.get(key).and_then(Value::as_object) else {
        return Err(bad_request(&format!("{key} must be an object.")));
    };
    let mut inputs = Inputs::new();
    for (name, value) in object {
        let Some(text) = value.as_str() else {
            return Err(bad_request(&format!("{key}.{name} must be text.")));
        };
        inputs.insert(name.clone(), text.to_owned());
    }
    Ok(inputs)
}

fn resource_version(body: &Value, event_type: &str) -> Result<String, Response> {
    let latest = EventKind::parse(event_type).map_or("1.0", EventKind::newest_version);
    match body.get("resourceVersion") {
        None | Some(Value::Null) => Ok(latest.to_owned()),
        Some(Value::String(version)) if version == "latest" => Ok(latest.to_owned()),
        Some(Value::String(version))
            if ["1.0", "1.0-preview.1", "2.0"].contains(&version.as_str()) =>
        {
            Ok(version.clone())
        }
        Some(other) => Err(bad_request(&format!("There is no resource version {other}."))),
    }
}

fn is_credential(value: &str) -> bool {
    value.len() <= 256 && !value.contains(char::is_whitespace)
}

fn is_header_line(line: &str) -> bool {
    let parts = line.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
    parts.is_some_and(|(name, value)| {
        !name.is_empty() && !value.is_empty() && !name.contains(char::is_whitespace)
    })
}

fn is_special(host: &Host<&str>) -> bool {
    let address = match host {
        Host::Domain(name) => return name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => IpAddr::V4(*address),
        Host::Ipv6(address) => IpAddr::V6(*address),
    };
    match address {
        IpAddr::V4(four) => {
            let [first, second, ..] = four.octets();
            let shared = first == 100 && (64..128).contains(&second);
            four.is_private() || four.is_loopback() || four.is_link_local() || shared || first == 0
        }
        IpAddr::V6(six) => {
            six.is_loopback() || six.is_unique_local() || six.is_unicast_link_local()
        }
    }
}
