//! `[sign_in]`: how people sign in to the pages, and who has which role there.

use crate::credentials::SignInOptions;
use crate::domain::access::{Access, Members};

use super::credential::app;
use super::section::Section;
use super::value::{Range, Value};

const OPERATORS: &str = "[\"ops@contoso.com\", \"group:GUID\", \"role:Operator\"]";

/// `[sign_in]`, where there is one.
pub(super) fn options(section: Option<Section<'_>>) -> Option<SignInOptions> {
    let mut section = section?;
    let app = app::read(&mut section);
    let client_secrets = app::client_secrets_like(&mut section, "{ env = \"SIGN_IN_SECRET\" }");
    let operators = section.value("operators", OPERATORS);
    let operators = operators.and_then(|value| members(&value)).unwrap_or_default();
    let viewers = section.value("viewers", "[\"group:GUID\"]");
    let viewers = viewers.and_then(|value| members(&value)).unwrap_or_default();
    let range = Range { least: "5m", greatest: "7d", because: "" };
    let session = section.duration("session", "12h", range);
    section.finish();
    let access = Access { operators, viewers };
    Some(SignInOptions { app: app?, client_secrets: client_secrets?, access, session })
}

fn members(value: &Value<'_>) -> Option<Vec<Members>> {
    let texts = value.texts()?;
    Some(texts.into_iter().filter_map(|(item, text)| read(&item, text)).collect())
}

fn read(item: &Value<'_>, text: &str) -> Option<Members> {
    let found = match text.split_once(':') {
        Some(("group", id)) if app::is_guid(id) => Some(Members::Group(id.to_owned())),
        Some(("role", name)) if is_app_role(name) => Some(Members::AppRole(name.to_owned())),
        None if app::is_sign_in_name(text) => Some(Members::Account(text.to_owned())),
        _ => None,
    };
    if found.is_none() {
        let what = format!("{} cannot name {text:?}", item.key);
        let help = "write the name that a person signs in with, such as name@domain, \
                    \"group:\" and the object id of a group, or \"role:\" and the value of an app \
                    role";
        item.refuse(what, help);
    }
    found
}

/// What Entra takes as the value of an app role.
fn is_app_role(name: &str) -> bool {
    let is_long = name.chars().count() > 120;
    !name.is_empty() && !is_long && !name.contains(|it: char| it.is_whitespace() || it.is_control())
}
