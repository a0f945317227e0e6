//! `[ci.NAME]`: the CI systems and how each is told to start a run.
//!
//! It must never know which checks they run, only whether one refers to them.

use std::collections::BTreeMap;

use crate::ci::Options;

use super::address;
use super::kind;
use super::secrets;
use super::section::Section;

/// The CI systems that could be read, and the names and headers of all.
#[derive(Default)]
pub(super) struct Read {
    pub(super) options: BTreeMap<String, Options>,
    pub(super) names: Vec<(String, usize)>,
    /// Names of what is not a table.
    pub(super) unread: Vec<String>,
}

/// Everything below `[ci]`.
pub(super) fn read(section: Option<Section<'_>>) -> Read {
    let mut read = Read::default();
    for (name, section) in section.into_iter().flat_map(|section| section.named("ci.NAME")) {
        let Some(section) = section else {
            read.unread.push(name.to_owned());
            continue;
        };
        read.names.push((name.to_owned(), section.at));
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

const LATER: [&str; 6] =
    ["azure_pipelines", "jenkins", "dbt_cloud", "github_actions", "buildkite", "runner"];

fn system(mut section: Section<'_>) -> Option<Options> {
    let kinds = [("webhook", Kind::Webhook)];
    let (kind, _) = kind::read(&mut section, "\"webhook\"", &kinds, &LATER)?;
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
        let what = "url is http: whoever listens on the way can read the report tokens";
        section.reader.warn(value.at, what, "write an https address");
    }
    let secret = section.required("secret", "{ env = \"BUILDER_SECRET\" }");
    let secrets = secret.map(|value| secrets::signing(&value));
    section.finish();
    Some(Options::Webhook { url: url?, secrets: secrets? })
}
