//! The configuration: one TOML file and the secrets that it refers to → typed options.
//!
//! Every error of the file is reported at once, each with its position and a remedy, so that one
//! round of corrections is enough. Options that leave this module are valid; the parts of the
//! gateway do not check them again.

use std::collections::BTreeMap;
use std::path::Path;

use crate::credentials::SignInOptions;
use crate::domain::check::Check;
use crate::{ci as ci_systems, secret, server as http, storage as store};

/// URLs, and who can reach them.
mod address;
/// `[[check]]`.
mod checks;
/// `[ci.NAME]`.
mod ci;
/// What a file says, to compare it with another one.
mod content;
/// `[organization.credential]`.
mod credential;
/// URLs of databases.
mod database;
/// Environment variables and files that hold secrets.
mod environment;
/// An error or warning: its position, what is wrong, and the remedy.
mod finding;
/// The key `kind`.
mod kind;
/// `[[organization]]`.
mod organizations;
/// The parsed file, and the findings so far.
mod reader;
/// The organizations, CI systems, repositories and branches that a check names.
mod references;
/// Secrets, loaded from environment variables and files.
mod secrets;
/// One table, key by key.
mod section;
/// `[server]`, `[[api_token]]`.
mod server;
/// `[sign_in]`.
mod sign_in;
/// `[storage]`.
mod storage;
/// The nearest known word to an unknown one.
mod suggestion;
/// Durations and sizes.
mod units;
/// One value, read as the type that its key requires.
mod value;

pub use address::is_loopback;
pub use ci::kinds as ci_kinds;
pub use content::{Content, needs_restart};
pub use credential::kinds as credential_kinds;
pub use database::{Refusal, engine};
pub use environment::{Environment, Process};
pub use finding::{Errors, Finding};
pub use organizations::Organization;

use content::Remembering;
use reader::{Known, Reader};
use section::Section;

/// Everything that an operator sets.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`.
    pub server: http::Options,
    /// `[storage]`.
    pub storage: store::Options,
    /// `[secrets]`.
    pub secrets: secret::Keyring,
    /// `[[api_token]]`.
    pub api_tokens: Vec<http::ApiToken>,
    /// `[sign_in]`.
    pub sign_in: Option<SignInOptions>,
    /// `[[organization]]`.
    pub organizations: Vec<Organization>,
    /// `[[check]]`.
    pub checks: Vec<Check>,
    /// `[ci.NAME]`, by name.
    pub ci: BTreeMap<String, ci_systems::Options>,
    /// What is accepted but may not do what the operator expects, in the order of the file.
    pub warnings: Vec<Finding>,
    /// What the file says.
    pub content: Content,
}

/// Reads a configuration file.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load(path: &Path, environment: &dyn Environment) -> Result<Config, Errors> {
    let shown = path.display().to_string();
    match environment.file(path) {
        Ok(text) => parse(&shown, &text, environment),
        Err(error) => Err(Errors::new(vec![Finding {
            path: shown,
            line: 1,
            column: 1,
            what: format!("the configuration cannot be read: {error}"),
            help: "name another file with --config or AZDO_GATEWAY_CONFIG".into(),
        }])),
    }
}

/// Reads the text of a configuration file; findings call the file `path_shown`.
///
/// # Errors
/// Everything that is wrong with the text.
pub fn parse(
    path_shown: &str,
    text: &str,
    environment: &dyn Environment,
) -> Result<Config, Errors> {
    let environment = Remembering::new(environment);
    let (config, _) = read(path_shown, text, &environment);
    config.map(|config| Config { content: environment.content(text), ..config })
}

/// Reads the text. Also returns every key that the reader knows, by table.
fn read(
    path_shown: &str,
    text: &str,
    environment: &dyn Environment,
) -> (Result<Config, Errors>, Known) {
    let (reader, document) = Reader::new(path_shown, text, environment);
    let config = read_root(Section::new(&reader, "", "the file", 0, document.get_ref()));
    let (errors, warnings, known) = reader.into_parts();
    let outcome = match config {
        Some(config) if errors.is_empty() => Ok(Config { warnings, ..config }),
        _ => {
            assert!(!errors.is_empty(), "a configuration without a result has an error");
            Err(Errors::new(errors))
        }
    };
    (outcome, known)
}

const PUBLIC_URL: &str = "public_url = \"https://gateway.example.com\"";
const ROOT_KEY: &str = "root_key = { env = \"AZDO_GATEWAY_ROOT_KEY\" }";

fn read_root(mut root: Section<'_>) -> Option<Config> {
    let reader = root.reader;
    let server = server::options(root.required_table("server", "server", PUBLIC_URL));
    let storage = storage::options(root.table("storage", "storage"), reader);
    let secrets = secrets::keyring(root.required_table("secrets", "secrets", ROOT_KEY));
    let api_tokens = server::api_tokens(root.tables("api_token"));
    let sign_in = sign_in::options(root.table("sign_in", "sign_in"));
    let organizations = organizations::read(root.tables("organization"));
    let known = organizations.iter().filter_map(|read| read.organization.as_ref());
    let known: Vec<_> =
        known.map(|one| (one.ado.name.as_str(), &one.ado.azure_devops_url)).collect();
    let ci = ci::read(root.table("ci", "ci"), &known);
    let defined = checks::Defined {
        organizations: organizations.iter().filter_map(|read| read.name.as_deref()).collect(),
        ci: ci.names.iter().map(|(name, _)| name).chain(&ci.unread).map(String::as_str).collect(),
        abilities: ci
            .options
            .iter()
            .map(|(name, it)| (name.as_str(), it.kind.abilities()))
            .collect(),
        concurrency: ci
            .options
            .iter()
            .filter_map(|(name, it)| Some((name.as_str(), it.common.concurrency?)))
            .collect(),
        kinds: ci.options.iter().map(|(name, it)| (name.as_str(), &*it.kind)).collect(),
        summaries: known_summaries(&organizations),
        has_all_organizations: organizations.iter().all(|read| read.name.is_some()),
    };
    let check_sections = root.tables("check");
    warn_about_empty_lists(reader, &organizations, &check_sections);
    let checks = checks::read(check_sections, &defined);
    root.finish();
    for (name, offset) in ci.names.iter().filter(|(name, _)| !checks.ci_used.contains(name)) {
        let what = format!("no check uses [ci.{name}]");
        reader.warn(*offset, what, "remove it, or name it in a check");
    }
    let (server, public_url_offset) = server?;
    let remote = organizations.iter().find(|read| read.is_remote);
    let remote = remote.and_then(|read| read.name.as_deref());
    server::check_reach(reader, &server.public_url, public_url_offset, remote);
    Some(Config {
        server,
        storage,
        secrets: secrets?,
        api_tokens,
        sign_in,
        organizations: organizations.into_iter().filter_map(|read| read.organization).collect(),
        checks: checks.checks,
        ci: ci.options,
        warnings: Vec::new(),
        content: Content::default(),
    })
}

/// The names of the organizations whose pull requests have a summary.
fn known_summaries(organizations: &[organizations::Read]) -> Vec<&str> {
    let valid = organizations.iter().filter_map(|read| read.organization.as_ref());
    valid.filter(|one| one.summary).map(|one| one.ado.name.as_str()).collect()
}

/// Warns where no delivery can be accepted, or none can start a run.
fn warn_about_empty_lists(
    reader: &Reader<'_>,
    organizations: &[organizations::Read],
    checks: &[Section<'_>],
) {
    if organizations.is_empty() {
        reader.warn(0, "there is no organization: no delivery is accepted", "add [[organization]]");
    }
    if checks.is_empty() {
        let what = "there is no check: deliveries are stored, and no run is started";
        reader.warn(0, what, "add [[check]]");
    }
}

#[cfg(test)]
mod tests;
