//! `kind = "gitlab"`.

use std::sync::Arc;

use url::Url;

use super::{template, token, webhook_secrets};
use crate::ci::Kind;
use crate::ci::gitlab::Options;
use crate::config::address;
use crate::config::secrets;
use crate::config::section::Section;
use crate::config::value::Value;

pub(super) fn read(mut section: Section<'_>) -> Option<Arc<dyn Kind>> {
    let url = section.required("url", "\"https://gitlab.com\"");
    let url = url.and_then(|value| instance(&value));
    let project = section.required("project", "\"my-group/pipelines\"");
    let project = project.and_then(|value| {
        let project = value.text_of(1, 500)?;
        if matches!(project, "." | "..") || project.starts_with('/') {
            value.refuse("project is no path of a project", value.remedy());
            return None;
        }
        Some(project)
    });
    let git_ref = section.required("ref", "\"main\"").and_then(|value| template(&value));
    let what = "a project access token with the scope api";
    let token = token(&mut section, "{ env = \"GITLAB_TOKEN\" }", what);
    let trigger_token = section.value("trigger_token", "{ env = \"GITLAB_TRIGGER_TOKEN\" }");
    let trigger_token = trigger_token.map_or(Some(None), |value| {
        let loaded = secrets::load(&value, " to a pipeline trigger token of the project")?;
        Some(Some(loaded.secret))
    });
    let inputs_are_variables = section.flag("variables", false);
    let webhook_secrets = webhook_secrets(&mut section);
    section.finish();
    Some(Arc::new(Options {
        url: url?,
        project: project?.to_owned(),
        git_ref: git_ref?,
        token: token?,
        trigger_token: trigger_token?,
        inputs_are_variables,
        webhook_secrets,
    }))
}

/// The address of the instance, without that of its API.
fn instance(value: &Value<'_>) -> Option<Url> {
    let url = address::base(value)?;
    if url.path().contains("/api/") {
        let help = "leave out what begins with /api/ in url";
        value.refuse("url is the address of the API, not of the instance", help);
        return None;
    }
    Some(url)
}
