//! `[ci.NAME]`: the CI systems, and how the gateway asks each to start a run.

/// Kind `azure_pipelines`.
mod azure_pipelines;
/// Kind `buildkite`.
mod buildkite;
/// Kind `dbt_cloud`.
mod dbt_cloud;
/// Kind `github_actions`.
mod github_actions;
/// Kind `gitlab`.
mod gitlab;
/// Kind `http`.
mod http;
/// Kind `jenkins`.
mod jenkins;
/// Kind `runner`.
pub(super) mod runner;
/// Kind `webhook`.
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;

use url::Url;

use crate::ci::{CALL_TIMEOUT_MAX, Common, Kind, Options, Template};
use crate::secret::Secret;

use super::address;
use super::kind;
use super::secrets;
use super::section::Section;
use super::value::{Range, Value};

/// The valid CI systems, and the names of all.
#[derive(Default)]
pub(super) struct Read {
    pub(super) options: BTreeMap<String, Options>,
    /// The name of each table, and the byte offset of its header.
    pub(super) names: Vec<(String, usize)>,
    /// The names of entries that are not tables.
    pub(super) unread: Vec<String>,
}

/// Everything below `[ci]`.
pub(super) fn read(section: Option<Section<'_>>, organizations: &Organizations<'_>) -> Read {
    let mut read = Read::default();
    for (name, section) in section.into_iter().flat_map(|section| section.named_tables("ci.NAME")) {
        let Some(section) = section else {
            read.unread.push(name.to_owned());
            continue;
        };
        read.names.push((name.to_owned(), section.offset));
        if let Some(options) = system(section, organizations) {
            read.options.insert(name.to_owned(), options);
        }
    }
    read
}

/// The names and base URLs of the organizations, which a CI may belong to.
type Organizations<'o> = [(&'o str, &'o Url)];

/// Reads the keys of one kind.
type ReadKind = fn(Section<'_>, &Organizations<'_>) -> Option<Arc<dyn Kind>>;

const KINDS: [(&str, ReadKind); 9] = [
    ("webhook", |section, _| webhook::read(section)),
    ("runner", |section, _| runner::read(section)),
    ("azure_pipelines", azure_pipelines::read),
    ("dbt_cloud", |section, _| dbt_cloud::read(section)),
    ("jenkins", |section, _| jenkins::read(section)),
    ("github_actions", |section, _| github_actions::read(section)),
    ("gitlab", |section, _| gitlab::read(section)),
    ("buildkite", |section, _| buildkite::read(section)),
    ("http", |section, _| http::read(section)),
];

/// The words of `kind`.
pub fn kinds() -> Vec<&'static str> {
    KINDS.iter().map(|(name, _)| *name).collect()
}

fn system(mut section: Section<'_>, organizations: &Organizations<'_>) -> Option<Options> {
    let kinds = KINDS.map(|(name, read)| (name, (name, read)));
    let ((kind_name, read), _) = kind::read(&mut section, "\"webhook\"", &kinds)?;
    let common = common(&mut section);
    Some(Options { kind_name, common, kind: read(section, organizations)? })
}

/// The required `token`, which is `what`.
fn token(section: &mut Section<'_>, example: &'static str, what: &str) -> Option<Secret> {
    let value = section.required("token", example)?;
    Some(secrets::load(&value, &format!(" to {what}"))?.secret)
}

/// A text with placeholders.
fn template(value: &Value<'_>) -> Option<Template> {
    match Template::parse(value.text()?) {
        Ok(template) => Some(template),
        Err(why) => {
            let what = format!("{} is not a template: {why}", value.key);
            value.refuse(what, "write text, with placeholders such as {{ commit }}");
            None
        }
    }
}

/// `webhook_secret`: one secret of callbacks, or two while it is replaced; none without the key.
fn webhook_secrets(section: &mut Section<'_>) -> Vec<Secret> {
    let value = section.value("webhook_secret", "{ env = \"CI_WEBHOOK_SECRET\" }");
    let load = |value: &Value<'_>| {
        secrets::load(value, " to the secret that the CI signs its webhooks with")
    };
    let loaded = value.map(|value| secrets::one_or_two(&value, load)).unwrap_or_default();
    loaded.into_iter().map(|loaded| loaded.secret).collect()
}

/// `url`, or the example where the key is absent.
fn url_or(section: &mut Section<'_>, example: &'static str) -> Option<Url> {
    match section.value("url", example) {
        Some(value) => address::base(&value),
        None => Url::parse(example.trim_matches('"')).ok(),
    }
}

/// How long one call may take.
const CALL_TIMEOUT: Range = Range { least: "3s", greatest: "60s", because: "" };

/// The keys of every kind.
fn common(section: &mut Section<'_>) -> Common {
    let count = |section: &mut Section<'_>, key, example| {
        section.value(key, example).and_then(|value| value.count())
    };
    let concurrency = count(section, "concurrency", "10");
    let requests_per_minute = count(section, "requests_per_minute", "300");
    let call_timeout = section.duration("call_timeout", "15s", CALL_TIMEOUT).min(CALL_TIMEOUT_MAX);
    let poll = Range { least: "1s", greatest: "1h", because: "" };
    let poll_interval = section.duration("poll_interval", "10s", poll);
    let poll_interval_max = section.duration("poll_interval_max", "60s", poll);
    let ca_file = section.value("ca_file", "\"/etc/ssl/ci.pem\"");
    Common {
        concurrency,
        requests_per_minute,
        call_timeout,
        poll_interval,
        poll_interval_max: poll_interval_max.max(poll_interval),
        ca_file: ca_file.and_then(|value| value.text()).map(Into::into),
    }
}
