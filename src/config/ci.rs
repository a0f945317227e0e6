//! `[ci.NAME]`: the CI systems, and how the gateway asks each to start a run.

use std::collections::BTreeMap;

use crate::ci::Options;

use super::address;
use super::kind;
use super::secrets;
use super::section::Section;

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
pub(super) fn read(section: Option<Section<'_>>) -> Read {
    let mut read = Read::default();
    for (name, section) in section.into_iter().flat_map(|section| section.named_tables("ci.NAME")) {
        let Some(section) = section else {
            read.unread.push(name.to_owned());
            continue;
        };
        read.names.push((name.to_owned(), section.offset));
        if let Some(options) = system(section) {
            read.options.insert(name.to_owned(), options);
        }
    }
    read
}

#[derive(Clone, Copy)]
enum Kind {
    Webhook,
}

/// Kinds that later versions will have.
const PLANNED: [&str; 6] =
    ["azure_pipelines", "jenkins", "dbt_cloud", "github_actions", "buildkite", "runner"];

fn system(mut section: Section<'_>) -> Option<Options> {
    let kinds = [("webhook", Kind::Webhook)];
    let (kind, _) = kind::read(&mut section, "\"webhook\"", &kinds, &PLANNED)?;
    match kind {
        Kind::Webhook => webhook(section),
    }
}

fn webhook(mut section: Section<'_>) -> Option<Options> {
    let value = section.required("url", "\"https://ci.example.com/start\"");
    let url = value.and_then(|value| address::any(&value));
    if let (Some(value), Some(url)) = (value, &url)
        && url.scheme() == "http"
        && !address::is_loopback(url)
    {
        let what = "url is http: report tokens are sent without encryption";
        section.reader.warn(value.offset, what, "write an https address");
    }
    let secret = section.required("secret", "{ env = \"BUILDER_SECRET\" }");
    let secrets = secret.map(|value| secrets::signing(&value));
    section.finish();
    Some(Options::Webhook { url: url?, secrets: secrets? })
}
