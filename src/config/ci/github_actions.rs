//! `kind = "github_actions"`.

use std::sync::Arc;

use url::Url;

use super::{template, token, webhook_secrets};
use crate::ci::Kind;
use crate::ci::github_actions::{App, Credential, Options, PrivateKey};
use crate::config::address;
use crate::config::secrets;
use crate::config::section::Section;
use crate::config::value::Value;

const URL: &str = "https://api.github.com";
const INPUT: &str = "azdo_gateway_run";

pub(super) fn read(mut section: Section<'_>) -> Option<Arc<dyn Kind>> {
    let repository = section.required("repository", "\"my-org/pipelines\"");
    let repository = repository.and_then(|value| repository_name(&value));
    let workflow = section.required("workflow", "\"build.yml\"");
    let workflow = workflow.and_then(|value| workflow_name(&value));
    let git_ref = section.required("ref", "\"main\"").and_then(|value| template(&value));
    let credential = credential(&mut section);
    let url = section.value("url", "\"https://api.github.com\"");
    let url = url.map_or_else(|| Url::parse(URL).ok(), |value| api(&value));
    let input = section.value("input", "\"azdo_gateway_run\"");
    let input = input.map_or(Some(INPUT), |value| value.text_of(0, 100));
    let webhook_secrets = webhook_secrets(&mut section);
    section.finish();
    let (owner, repository) = repository?;
    Some(Arc::new(Options {
        url: url?,
        owner,
        repository,
        workflow: workflow?,
        git_ref: git_ref?,
        credential: credential?,
        input: Some(input?.to_owned()).filter(|input| !input.is_empty()),
        webhook_secrets,
    }))
}

/// `OWNER/NAME`.
fn repository_name(value: &Value<'_>) -> Option<(String, String)> {
    let text = value.text_of(3, 200)?;
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('/');
    let parts = text.split_once('/').filter(|(owner, name)| is_name(owner) && is_name(name));
    if parts.is_none() {
        value.refuse(format!("repository is {text:?}, without owner and name"), value.remedy());
    }
    parts.map(|(owner, name)| (owner.to_owned(), name.to_owned()))
}

/// The name of the file, or the id.
fn workflow_name(value: &Value<'_>) -> Option<String> {
    let text = value.text_of(1, 200)?;
    if text.contains('/') || matches!(text, "." | "..") {
        let help = "write the name of the file in .github/workflows alone, such as \"build.yml\"";
        value.refuse("workflow is a path", help);
        return None;
    }
    Some(text.to_owned())
}

/// The address of the API, which is not that of the pages.
fn api(value: &Value<'_>) -> Option<Url> {
    let url = address::base(value)?;
    if matches!(url.host_str(), Some("github.com" | "www.github.com")) {
        value.refuse("url is the address of GitHub's pages, not of its API", value.remedy());
        return None;
    }
    Some(url)
}

/// `app`, or `token`.
fn credential(section: &mut Section<'_>) -> Option<Credential> {
    const TOKEN: &str = "{ env = \"GITHUB_TOKEN\" }";
    const APP: &str = "{ id = 700001, installation = 7654321, \
                       private_key = { file = \"/run/secrets/github.pem\" } }";
    let what = "a fine-grained personal access token with Actions: read and write";
    let Some(app) = section.value("app", APP) else {
        return token(section, TOKEN, what).map(Credential::Token);
    };
    if let Some(value) = section.value("token", TOKEN) {
        value.warn("it has no effect beside app", "leave one of them out");
    }
    let Some(table) = app.as_table() else {
        app.refuse_type("a table", app.remedy());
        return None;
    };
    let mut section = Section::new(app.reader, "app", "app", app.offset, table);
    let id = section.required("id", "700001").and_then(|value| value.id());
    let installation = section.required("installation", "7654321").and_then(|value| value.id());
    let private_key = section.required("private_key", "{ file = \"/run/secrets/github.pem\" }");
    let private_key = private_key.and_then(|value| key(&value));
    section.finish();
    let app = App { id: id?, installation: installation?, private_key: private_key? };
    Some(Credential::App(app))
}

fn key(value: &Value<'_>) -> Option<PrivateKey> {
    const TO: &str = " to the private key of the App, as GitHub hands it out";
    let secrets::Loaded { secret, source, .. } = secrets::load(value, TO)?;
    match PrivateKey::parse(&secret) {
        Ok(key) => Some(key),
        Err(why) => {
            value.refuse(format!("private_key: {source}: {why}"), format!("set it{TO}"));
            None
        }
    }
}
