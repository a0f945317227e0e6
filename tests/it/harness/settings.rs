//! The configuration of a gateway under test: TOML with secrets from an environment, read as the
//! file of a user is read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use azdo_gateway::config::{self, Config, Environment};

/// The token of the identity that the gateway uses.
pub(crate) const PAT: &str = "test-pat-of-the-fake-organization-0000000000000000000";
/// The client secret of the app that the service user is linked through.
pub(crate) const CLIENT_SECRET: &str = "client-secret-of-the-fake-app-0000000";
/// The keys of a credential with a token that was created by hand.
pub(crate) const STATIC_PAT: &str = "kind = \"pat\"\ntoken = { env = \"PAT\" }";
/// The keys of an organization with hooks created by hand and without catch-up.
pub(crate) const MANUAL_HOOKS: &str = "hooks = false\ncatch_up = \"off\"";
/// API tokens by role.
pub(crate) const OPERATOR: &str = "operator-token-of-the-tests";
pub(crate) const VIEWER: &str = "viewer-token-of-the-tests";
pub(crate) const REPORTER: &str = "reporter-token-of-the-tests";
pub(crate) const RUNNER: &str = "runner-token-of-the-tests";
pub(crate) const ROOT_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// The variable with the password of PostgreSQL.
const DATABASE_PASSWORD: &str = "AZDO_GATEWAY_DB_PASSWORD";

/// What a test may vary.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Of this process among those of the environment: its files are named after it.
    pub(crate) name: String,
    pub(crate) listen: String,
    /// None is where it listens.
    pub(crate) public_url: Option<String>,
    pub(crate) folder: PathBuf,
    pub(crate) organization_url: String,
    pub(crate) ci_url: String,
    pub(crate) ci_secret: String,
    /// Further keys of `[[organization]]`; by default `MANUAL_HOOKS`.
    pub(crate) organization: String,
    /// The keys of `[organization.credential]`.
    pub(crate) credential: String,
    /// `[[check]]` tables.
    pub(crate) checks: String,
    /// How long a stopping gateway waits for what is in flight.
    pub(crate) drain: &'static str,
    /// Further keys of `[server]`.
    pub(crate) server: String,
    /// The table `[sign_in]`; empty where people sign in with API tokens.
    pub(crate) sign_in: String,
    /// Further keys of `[secrets]`.
    pub(crate) secrets: String,
    /// The value of the CI's `secret`.
    pub(crate) signing: String,
    /// The keys of `[ci.builder]`; none is the fake CI that is started by webhook.
    pub(crate) ci: Option<String>,
    /// Further keys of `[ci.builder]`.
    pub(crate) ci_more: &'static str,
    /// Further keys of the token of runners.
    pub(crate) runner_labels: &'static str,
    /// The keys of `[storage]`; none keeps the state in SQLite, in `database`.
    pub(crate) storage: Option<String>,
    /// The file of SQLite's database, below `folder`.
    pub(crate) database: PathBuf,
    /// Environment variables beyond those that the TOML names.
    pub(crate) environment: BTreeMap<String, String>,
    /// The program with its arguments that starts the binary; none starts it directly.
    pub(crate) launcher: Vec<String>,
}

/// A check on pull requests to main and release branches, and on pushes to main.
pub(crate) const CHECKS: &str = r#"
[[check]]
name = "unit-tests"
genre = "ci"
organization = "fabrikam"
repositories = ["Fabrikam/*"]
on = ["pull_request", "push"]
target_branches = ["main", "release/*"]
branches = ["main"]
ci = "builder"
"#;

/// A `[[check]]` of the repositories of Fabrikam with these further keys.
pub(crate) fn check(name: &str, keys: &str) -> String {
    format!(
        r#"
[[check]]
name = "{name}"
genre = "ci"
organization = "fabrikam"
repositories = ["Fabrikam/*"]
ci = "builder"
{keys}
"#
    )
}

impl Settings {
    /// The whole file.
    pub(crate) fn toml(&self) -> String {
        format!(
            r#"
[server]
listen = "{listen}"
public_url = "{public_url}"
drain = "{drain}"
{server}
[storage]
{storage}
[secrets]
root_key = {{ env = "ROOT_KEY" }}
{secrets}
[[api_token]]
name = "ops"
role = "operator"
token = {{ env = "OPERATOR_TOKEN" }}
[[api_token]]
name = "eyes"
role = "viewer"
token = {{ env = "VIEWER_TOKEN" }}
[[api_token]]
name = "builders"
role = "reporter"
token = {{ env = "REPORTER_TOKEN" }}
[[api_token]]
name = "agents"
role = "runner"
token = {{ env = "RUNNER_TOKEN" }}
{runner_labels}
{sign_in}
[[organization]]
name = "fabrikam"
azure_devops_url = "{organization_url}"
{organization}
[organization.credential]
{credential}
{checks}
[ci.builder]
{ci}
{ci_more}
"#,
            listen = self.listen,
            drain = self.drain,
            server = self.server,
            sign_in = self.sign_in,
            secrets = self.secrets,
            ci = self.ci.clone().unwrap_or_else(|| format!(
                "kind = \"webhook\"\nurl = \"{}\"\nsecret = {}",
                self.ci_url, self.signing
            )),
            public_url = self.public_url.clone().unwrap_or(format!("http://{}", self.listen)),
            storage = self.storage(),
            organization_url = self.organization_url,
            organization = self.organization,
            credential = self.credential,
            checks = self.checks,
            ci_more = self.ci_more,
            runner_labels = self.runner_labels,
        )
    }

    /// Adds a key to `[ci.builder]`, before its tables.
    pub(crate) fn add_to_ci(&mut self, key: &str) {
        self.ci = Some(format!("{key}\n{}", self.ci.as_deref().expect("it has keys")));
    }

    /// Replaces a part of the keys of `[ci.builder]`, which has to be there.
    pub(crate) fn change_ci(&mut self, from: &str, to: &str) {
        let keys = self.ci.take().expect("it has keys");
        assert!(keys.contains(from), "{keys} has {from}");
        self.ci = Some(keys.replace(from, to));
    }

    fn storage(&self) -> String {
        let sqlite = || format!("url = \"sqlite:{}\"", self.database().display());
        self.storage.clone().unwrap_or_else(sqlite)
    }

    /// Keeps the state in the PostgreSQL at `url`, which holds no password.
    pub(crate) fn on_postgres(&mut self, url: &str, password: &str) {
        let keys = format!("url = \"{url}\"\npassword = {{ env = \"{DATABASE_PASSWORD}\" }}");
        self.storage = Some(keys);
        self.environment.insert(DATABASE_PASSWORD.to_owned(), password.to_owned());
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.join(&self.database)
    }

    /// Every environment variable that the TOML names.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let mut variables: BTreeMap<String, String> = [
            ("ROOT_KEY", ROOT_KEY),
            ("OPERATOR_TOKEN", OPERATOR),
            ("VIEWER_TOKEN", VIEWER),
            ("REPORTER_TOKEN", REPORTER),
            ("RUNNER_TOKEN", RUNNER),
            ("PAT", PAT),
            ("CLIENT_SECRET", CLIENT_SECRET),
            ("BUILDER_SECRET", &self.ci_secret),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        variables.extend(self.environment.clone());
        variables
    }

    /// The configuration as the gateway reads it.
    pub(crate) fn config(&self) -> Config {
        config::parse("test.toml", &self.toml(), &Variables(self.variables()))
            .unwrap_or_else(|errors| panic!("the test's configuration is wrong:\n{errors}"))
    }

    /// Where a process logs.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// Writes the file for a process. Returns its path.
    pub(crate) fn write(&self) -> PathBuf {
        let path = self.folder.join(format!("{}.toml", self.name));
        std::fs::write(&path, self.toml()).expect("the temporary folder is writable");
        path
    }
}

struct Variables(BTreeMap<String, String>);

impl Environment for Variables {
    fn variable(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn file(&self, path: &Path) -> std::io::Result<String> {
        std::fs::read_to_string(path)
    }
}
