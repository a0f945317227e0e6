//! Secrets: fetched from a variable or a file, never written into the configuration.
//!
//! What is said about one names the variable or the file and shows nothing of the value, nor of a
//! text that may be a value in the wrong place. It must never know what a secret opens.

use std::path::Path;

use zeroize::Zeroizing;

use crate::ci::webhook::SigningSecret;
use crate::secret::{Keyring, RootKey, Secret};

use super::section::Section;
use super::value::Value;

/// A secret and where it comes from.
pub(super) struct Found {
    pub(super) secret: Secret,
    /// `environment variable NAME`, or `file PATH`.
    pub(super) from: String,
}

/// `[secrets]`.
pub(super) fn keyring(section: Option<Section<'_>>) -> Option<Keyring> {
    let mut section = section?;
    let current = section
        .required("root_key", "{ env = \"AZDO_GATEWAY_ROOT_KEY\" }")
        .and_then(|value| root_key(&value, found(&value, KEYGEN)?));
    let previous = section
        .value("previous_root_key", "{ env = \"AZDO_GATEWAY_PREVIOUS_ROOT_KEY\" }")
        .and_then(|value| root_key(&value, found_if_set(&value)?));
    section.finish();
    Some(Keyring { current: current?, previous })
}

const KEYGEN: &str = " to what `azdo-gateway keygen` prints";
const KEYGEN_WEBHOOK: &str = " to what `azdo-gateway keygen --webhook` prints";

fn root_key(value: &Value<'_>, found: Found) -> Option<RootKey> {
    match RootKey::parse(found.secret.expose()) {
        Ok(key) => Some(key),
        Err(wrong) => {
            let what = format!("{}: {} is not a root key: {wrong}", value.key, found.from);
            value.refuse(what, format!("set it{KEYGEN}"));
            None
        }
    }
}

/// One signing secret, or up to two while they are being exchanged.
pub(super) fn signing(value: &Value<'_>) -> Vec<SigningSecret> {
    one_or_two(value, signing_secret)
}

/// One secret, or up to two while they are being exchanged, each read with `one`.
pub(super) fn one_or_two<'r, T>(
    value: &Value<'r>,
    one: impl Fn(&Value<'r>) -> Option<T>,
) -> Vec<T> {
    if value.as_array().is_none() {
        return one(value).into_iter().collect();
    }
    let items = value.items().unwrap_or_default();
    if !(1..=2).contains(&items.len()) {
        let what = format!("{} has {} secrets", value.key, items.len());
        value.refuse(what, "give one, or two while they are being exchanged");
    }
    items.iter().filter_map(one).collect()
}

fn signing_secret(value: &Value<'_>) -> Option<SigningSecret> {
    let Found { secret, from } = found(value, KEYGEN_WEBHOOK)?;
    match SigningSecret::parse(secret.expose()) {
        Ok(secret) => Some(secret),
        Err(wrong) => {
            let what = format!("{}: {from} is not a signing secret: {wrong}", value.key);
            value.refuse(what, format!("set it{KEYGEN_WEBHOOK}"));
            None
        }
    }
}

/// The secret that a value refers to; `to` is what the operator may set it to.
pub(super) fn found(value: &Value<'_>, to: &str) -> Option<Found> {
    match source(value)? {
        Source::Variable(name) => {
            let found = variable(value, name);
            if found.is_none() {
                let what =
                    format!("{}: environment variable {name} is not set, or empty", value.key);
                value.refuse(what, format!("set {name}{to}"));
            }
            found
        }
        Source::File(path) => file(value, path),
    }
}

/// The same, where a variable that is not set, or empty, means that there is no secret.
fn found_if_set(value: &Value<'_>) -> Option<Found> {
    match source(value)? {
        Source::Variable(name) => variable(value, name),
        Source::File(path) => file(value, path),
    }
}

enum Source<'r> {
    Variable(&'r str),
    File(&'r str),
}

fn source<'r>(value: &Value<'r>) -> Option<Source<'r>> {
    let key = value.key;
    let remedy = format!("write {key} = {}, or {{ file = \"/path\" }}", value.example);
    let Some(table) = value.as_table() else {
        if value.is_text() {
            value
                .refuse(format!("{key} is written into the file, and secrets must not be"), remedy);
        } else {
            value.mistyped("{ env = … } or { file = … }", remedy);
        }
        return None;
    };
    let mut section = Section::new(value.reader, "secret", key, value.at, table);
    let variable = section.value("env", "\"NAME\"");
    let file = section.value("file", "\"/run/secrets/name\"");
    section.finish();
    match (variable, file) {
        (Some(variable), None) => variable_name(&variable).map(Source::Variable),
        (None, Some(file)) => file.text_of(1, 4096).map(Source::File),
        (Some(_), Some(_)) => {
            value.refuse(format!("{key} has both env and file"), remedy);
            None
        }
        (None, None) => {
            value.reader.lacks(value.at, format!("{key} has neither env nor file"), remedy);
            None
        }
    }
}

/// The name of a variable. What does not look like one may be the secret itself, put in the wrong
/// place, and is not shown.
fn variable_name<'r>(value: &Value<'r>) -> Option<&'r str> {
    let name = value.text()?;
    let is_name = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
        && !name.starts_with("whsec_")
        && !name.is_empty();
    let is_long = name.len() > 40 && name.contains(|letter: char| letter.is_ascii_lowercase());
    if !is_name || is_long {
        let help = "write the name of the variable, such as { env = \"BUILDER_SECRET\" }";
        value.refuse("env is not the name of an environment variable", help);
        return None;
    }
    Some(name)
}

fn variable(value: &Value<'_>, name: &str) -> Option<Found> {
    let text = value.reader.environment.variable(name).filter(|text| !text.is_empty())?;
    Some(Found { secret: Secret::new(text), from: format!("environment variable {name}") })
}

fn file(value: &Value<'_>, path: &str) -> Option<Found> {
    let key = value.key;
    let text = match value.reader.environment.file(Path::new(path)) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => {
            let what = format!("{key}: file {path} cannot be read: {error}");
            value.refuse(what, format!("put the secret into {path}, readable for the gateway"));
            return None;
        }
    };
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        let what = format!("{key}: file {path} is empty");
        value.refuse(what, format!("put the secret into {path}"));
        return None;
    }
    Some(Found { secret: Secret::new(line.to_owned()), from: format!("file {path}") })
}
