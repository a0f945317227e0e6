//! Secrets: loaded from an environment variable or a file, never written into the configuration.
//!
//! Messages name the variable or the file. They quote neither the secret nor any text that may be a
//! secret in the wrong place.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::ci::webhook::SigningSecret;
use crate::secret::{Keyring, RootKey, Secret};

use super::section::Section;
use super::value::Value;

/// A secret and its source.
pub(super) struct Loaded {
    pub(super) secret: Secret,
    /// `environment variable NAME`, or `file PATH`.
    pub(super) source: String,
    /// The file, where that is its source.
    pub(super) file: Option<PathBuf>,
}

/// `[secrets]`.
pub(super) fn keyring(section: Option<Section<'_>>) -> Option<Keyring> {
    let mut section = section?;
    let current = section
        .required("root_key", "{ env = \"AZDO_GATEWAY_ROOT_KEY\" }")
        .and_then(|value| root_key(&value, load(&value, KEYGEN)?));
    let previous = section
        .value("previous_root_key", "{ env = \"AZDO_GATEWAY_PREVIOUS_ROOT_KEY\" }")
        .and_then(|value| root_key(&value, load_if_set(&value)?));
    section.finish();
    Some(Keyring { current: current?, previous })
}

const KEYGEN: &str = " to what `azdo-gateway keygen` prints";
const KEYGEN_WEBHOOK: &str = " to what `azdo-gateway keygen --webhook` prints";

fn root_key(value: &Value<'_>, Loaded { secret, source, .. }: Loaded) -> Option<RootKey> {
    match RootKey::parse(secret.expose()) {
        Ok(key) => Some(key),
        Err(error) => {
            let what = format!("{}: {source} is not a root key: {error}", value.key);
            value.refuse(what, format!("set it{KEYGEN}"));
            None
        }
    }
}

/// One signing secret, or two during a rotation.
pub(super) fn signing(value: &Value<'_>) -> Vec<SigningSecret> {
    one_or_two(value, signing_secret)
}

/// One secret, or two during a rotation, each read with `read_one`.
pub(super) fn one_or_two<'r, T>(
    value: &Value<'r>,
    read_one: impl Fn(&Value<'r>) -> Option<T>,
) -> Vec<T> {
    if value.as_array().is_none() {
        return read_one(value).into_iter().collect();
    }
    let items = value.items().unwrap_or_default();
    if !(1..=2).contains(&items.len()) {
        let what = format!("{} has {} secrets", value.key, items.len());
        value.refuse(what, "give one secret, or two during a rotation");
    }
    items.iter().filter_map(read_one).collect()
}

fn signing_secret(value: &Value<'_>) -> Option<SigningSecret> {
    let Loaded { secret, source, .. } = load(value, KEYGEN_WEBHOOK)?;
    match SigningSecret::parse(secret.expose()) {
        Ok(secret) => Some(secret),
        Err(error) => {
            let what = format!("{}: {source} is not a signing secret: {error}", value.key);
            value.refuse(what, format!("set it{KEYGEN_WEBHOOK}"));
            None
        }
    }
}

/// Loads the secret that a value refers to. Remedies end with `to`, which says what the operator
/// sets the variable to.
pub(super) fn load(value: &Value<'_>, to: &str) -> Option<Loaded> {
    match source(value)? {
        Source::Variable(name) => {
            let loaded = variable(value, name);
            if loaded.is_none() {
                let what =
                    format!("{}: environment variable {name} is not set, or empty", value.key);
                value.refuse(what, format!("set {name}{to}"));
            }
            loaded
        }
        Source::File(path) => file(value, path),
    }
}

/// Like [`load`], but a variable that is not set, or empty, means that there is no secret.
fn load_if_set(value: &Value<'_>) -> Option<Loaded> {
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
            let what = format!("{key} is a secret, which must not be written into this file");
            value.refuse(what, remedy);
        } else {
            value.refuse_type("{ env = … } or { file = … }", remedy);
        }
        return None;
    };
    let mut section = Section::new(value.reader, "secret", key, value.offset, table);
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
            let what = format!("{key} has neither env nor file");
            value.reader.refuse_missing(value.offset, what, remedy);
            None
        }
    }
}

/// The name of an environment variable. Text that does not look like a name is not quoted: it may
/// be the secret itself.
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

fn variable(value: &Value<'_>, name: &str) -> Option<Loaded> {
    let text = value.reader.environment.variable(name).filter(|text| !text.is_empty())?;
    let source = format!("environment variable {name}");
    Some(Loaded { secret: Secret::new(text), source, file: None })
}

fn file(value: &Value<'_>, path: &str) -> Option<Loaded> {
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
    let source = format!("file {path}");
    Some(Loaded { secret: Secret::new(line.to_owned()), source, file: Some(path.into()) })
}
