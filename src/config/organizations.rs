//! `[[organization]]`: the organizations, their URLs, and the gateway's identity at each.

use std::time::Duration;

use url::Url;

use crate::{ado, credentials};

use super::address;
use super::credential;
use super::section::Section;
use super::value::{Range, Value};

/// The host of Azure DevOps Services.
const SERVICES: &str = "dev.azure.com";

/// One `[[organization]]`.
#[derive(Clone, Debug)]
pub struct Organization {
    /// Its name and URLs.
    pub ado: ado::Options,
    /// The gateway's identity at the organization.
    pub credential: credentials::Options,
    /// Whether the gateway creates, repairs and rotates its service-hook subscriptions.
    pub hooks: bool,
    /// Whether pull requests have a status that is green when all others are.
    pub summary: bool,
    /// How often subscriptions and policies are reconciled with the desired state.
    pub reconcile: Duration,
    /// How often the gateway looks for events that no delivery reported; none turns this off.
    pub catch_up: Option<Duration>,
}

/// What could be read of one table. The name is kept even where other keys are wrong, so that
/// checks can refer to it.
#[derive(Default)]
pub(super) struct Read {
    pub(super) name: Option<String>,
    /// Its Azure DevOps runs on another machine, which has to reach the gateway.
    pub(super) is_remote: bool,
    pub(super) organization: Option<Organization>,
}

/// Every `[[organization]]`.
pub(super) fn read(sections: Vec<Section<'_>>) -> Vec<Read> {
    let mut names: Vec<(String, usize)> = Vec::new();
    sections.into_iter().map(|section| organization(section, &mut names)).collect()
}

fn organization(mut section: Section<'_>, names: &mut Vec<(String, usize)>) -> Read {
    let (name, is_valid) = match section.required("name", "\"my-devops-org\"") {
        Some(value) => {
            let (name, is_bare) = bare_name(&value);
            let is_unique = name.as_deref().is_some_and(|name| is_unique(&value, name, names));
            (name, is_bare && is_unique)
        }
        None => (None, false),
    };
    let url = section.value("azure_devops_url", "\"https://dev.azure.com/my-devops-org\"");
    let url = url.map(|value| azure_devops_url(&value, name.as_deref()));
    let identity_url = section
        .value("identity_url", "\"https://vssps.dev.azure.com/my-devops-org\"")
        .map(|value| address::base(&value));
    let hooks = section.flag("hooks", true);
    let summary = section.flag("summary", false);
    let reconcile = section.duration("reconcile", "5m", INTERVAL);
    let catch_up = catch_up(&mut section);
    let is_server = url.iter().flatten().any(is_server);
    let credential = credential::read(&mut section, is_server);
    section.finish();
    let ado = name.as_deref().and_then(|name| addresses(name, url, identity_url));
    let is_remote = ado.as_ref().is_some_and(|ado| !address::is_loopback(&ado.azure_devops_url));
    let organization = match (is_valid, ado, credential) {
        (true, Some(ado), Some(credential)) => {
            Some(Organization { ado, credential, hooks, summary, reconcile, catch_up })
        }
        _ => None,
    };
    Read { name, is_remote, organization }
}

/// The bare name, extracted from a URL if necessary, and whether it was written bare.
fn bare_name(value: &Value<'_>) -> (Option<String>, bool) {
    let Some(text) = value.text() else { return (None, false) };
    let bare = bare(text);
    let mut letters = bare.chars();
    let is_name = letters.next().is_some_and(|letter| letter.is_ascii_alphanumeric())
        && letters
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
        && bare.len() <= 64;
    if !is_name {
        let what = "name must be letters, digits and hyphens, at most 64";
        value.refuse(what, value.remedy());
        return (None, false);
    }
    if bare != text {
        value.refuse("name must be the bare name", format!("write name = \"{bare}\""));
    }
    (Some(bare.to_owned()), bare == text)
}

/// `x` of `x`, `dev.azure.com/x`, `https://dev.azure.com/x/…` and `x.visualstudio.com`.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let text = text.split_once('@').map_or(text, |(_, rest)| rest);
    let (host, rest) = text.split_once('/').unwrap_or((text, ""));
    if host.eq_ignore_ascii_case(SERVICES) {
        return rest.split('/').next().unwrap_or(rest);
    }
    let legacy = host.split_once('.');
    match legacy.filter(|(_, domain)| domain.eq_ignore_ascii_case("visualstudio.com")) {
        Some((name, _)) => name,
        None => host,
    }
}

fn is_unique(value: &Value<'_>, name: &str, names: &mut Vec<(String, usize)>) -> bool {
    if let Some((_, line)) = names.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
        let what = format!("name {name:?} is also the name of the organization in line {line}");
        value.refuse(what, "remove one of the two");
        return false;
    }
    names.push((name.to_owned(), value.reader.line(value.offset)));
    true
}

fn azure_devops_url(value: &Value<'_>, name: Option<&str>) -> Option<Url> {
    let url = address::base(value)?;
    let (Some(SERVICES), Some(name)) = (url.host_str(), name) else { return Some(url) };
    if !url.path().trim_start_matches('/').eq_ignore_ascii_case(name) {
        let help = format!("write azure_devops_url = \"https://{SERVICES}/{name}\"");
        value.refuse(format!("azure_devops_url is not the URL of organization {name:?}"), help);
        return None;
    }
    Some(url)
}

/// Whether the URL leads to Azure DevOps Services, under either of its host names.
fn is_services(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host == SERVICES || host.ends_with(".visualstudio.com"))
}

/// Whether the URL leads to an Azure DevOps Server. A loopback URL does not count: it leads to the
/// fake Azure DevOps of the demo and the tests, which supports Entra.
fn is_server(url: &Url) -> bool {
    !is_services(url) && !address::is_loopback(url)
}

/// The URLs of an organization, with defaults where none are given; `Some(None)` is a URL that was
/// given and refused.
fn addresses(
    name: &str,
    azure_devops_url: Option<Option<Url>>,
    identity_url: Option<Option<Url>>,
) -> Option<ado::Options> {
    let azure_devops_url = match azure_devops_url {
        Some(given) => given?,
        None => Url::parse(&format!("https://{SERVICES}/{name}")).ok()?,
    };
    let identity_url = match identity_url {
        Some(given) => given?,
        None if is_services(&azure_devops_url) => {
            Url::parse(&format!("https://vssps.{SERVICES}/{name}")).ok()?
        }
        None => azure_devops_url.clone(),
    };
    Some(ado::Options { name: name.to_owned(), azure_devops_url, identity_url })
}

const INTERVAL: Range = Range { least: "1s", greatest: "1d", because: "" };

/// The key `catch_up`: a duration, or `"off"`.
fn catch_up(section: &mut Section<'_>) -> Option<Duration> {
    let given = section.value("catch_up", "5m");
    if let Some(value) = given.filter(|value| value.is_word("off")) {
        let what = "events whose delivery Azure DevOps drops are not found";
        value.warn(what, "write catch_up = \"5m\"");
        return None;
    }
    Some(section.duration("catch_up", "5m", INTERVAL))
}
