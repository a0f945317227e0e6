//! The answers to the questions of `init`, and the configuration that they make: the text of the
//! file, and the secrets that it refers to.
//!
//! Answers begin with values that the configuration accepts. So what is wrong after one of them was
//! given is wrong with that one.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::kinds::{CIS, CREDENTIALS, Form, Kind, Origin, SecretKey};
use crate::config::{self, Config, Environment, Errors};
use crate::secret::Secret;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    pub(super) organization: String,
    pub(super) azure_devops_url: Option<String>,
    pub(super) public_url: String,
    pub(super) repositories: Vec<String>,
    pub(super) credential: Chosen,
    pub(super) ci: Chosen,
    /// The values of secrets, by environment variable.
    pub(super) secrets: BTreeMap<&'static str, Secret>,
}

/// A kind, with the values of its keys.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) kind: &'static Kind,
    pub(super) values: BTreeMap<&'static str, String>,
}

impl Chosen {
    /// With the examples of the kind.
    pub(super) fn examples(kind: &'static Kind) -> Self {
        let needed = kind.keys.iter().filter(|key| !key.form.is_optional());
        Self { kind, values: needed.map(|key| (key.name, key.example.to_owned())).collect() }
    }

    /// The lines of the keys, in their order.
    fn lines(&self) -> String {
        let mut lines = format!("kind = {}\n", quoted(self.kind.name));
        for key in self.kind.keys {
            let Some(value) = self.values.get(key.name) else { continue };
            let value = match key.form {
                Form::Number => value.clone(),
                Form::Text | Form::Optional | Form::Unasked => quoted(value),
            };
            line(&mut lines, key.name, &value);
        }
        if let Some(secret) = &self.kind.secret {
            line(&mut lines, secret.name, &reference(secret.variable));
        }
        lines
    }
}

impl Form {
    pub(super) fn is_optional(self) -> bool {
        matches!(self, Form::Optional | Form::Unasked)
    }
}

/// The key that everything else is derived from.
const ROOT_KEY: SecretKey =
    SecretKey { name: "root_key", variable: "AZDO_GATEWAY_ROOT_KEY", origin: Origin::Key };
/// Of the person who runs the gateway.
const OPERATOR: SecretKey =
    SecretKey { name: "token", variable: "AZDO_GATEWAY_OPERATOR_TOKEN", origin: Origin::Key };
/// Of `azdo-gateway runner`.
const RUNNER: SecretKey =
    SecretKey { name: "token", variable: "AZDO_GATEWAY_RUNNER_TOKEN", origin: Origin::Key };

impl Answers {
    /// Examples of everything.
    pub(super) fn examples() -> Self {
        let [credential, ..] = &CREDENTIALS;
        let [ci, ..] = &CIS;
        Self {
            organization: "my-devops-org".into(),
            azure_devops_url: None,
            public_url: "https://gateway.example.com".into(),
            repositories: vec!["*/*".into()],
            credential: Chosen::examples(credential),
            ci: Chosen::examples(ci),
            secrets: BTreeMap::new(),
        }
    }

    /// The secrets that the file refers to.
    pub(super) fn secret_keys(&self) -> Vec<&'static SecretKey> {
        let mut keys = vec![&ROOT_KEY, &OPERATOR];
        keys.extend(self.has_runners().then_some(&RUNNER));
        keys.extend(self.credential.kind.secret.as_ref());
        keys.extend(self.ci.kind.secret.as_ref());
        keys
    }

    /// The secrets that a person still has to bring.
    pub(super) fn missing(&self) -> Vec<(&'static str, &'static str)> {
        let missing = |key: &&SecretKey| match key.origin {
            Origin::Elsewhere(from) if !self.secrets.contains_key(key.variable) => {
                Some((key.variable, from))
            }
            _ => None,
        };
        self.secret_keys().iter().filter_map(missing).collect()
    }

    fn has_runners(&self) -> bool {
        self.ci.kind.name == "runner"
    }

    /// Reads the file that these answers make, as `check-config` would.
    ///
    /// # Errors
    /// What is wrong with an answer.
    pub(super) fn config(&self) -> Result<Config, Errors> {
        config::parse("gateway.toml", &self.file(), self)
    }

    /// The text of `gateway.toml`.
    pub(super) fn file(&self) -> String {
        let mut file = String::from(
            "# Written by `azdo-gateway init`. Secrets are in environment variables.\n\
             # docs/configuration.md has every key; `azdo-gateway check-config` checks this file.\n\
             \n[server]\nlisten = \"127.0.0.1:8080\"\n",
        );
        line(&mut file, "public_url", &quoted(&self.public_url));
        file.push_str("\n[storage]\nurl = \"sqlite:data/gateway.db\"\n\n[secrets]\n");
        line(&mut file, ROOT_KEY.name, &reference(ROOT_KEY.variable));
        api_token(&mut file, "ops", "operator", &OPERATOR);
        if self.has_runners() {
            api_token(&mut file, "runners", "runner", &RUNNER);
        }
        file.push_str("\n[[organization]]\n");
        line(&mut file, "name", &quoted(&self.organization));
        if let Some(url) = &self.azure_devops_url {
            line(&mut file, "azure_devops_url", &quoted(url));
        }
        file.push_str("\n[organization.credential]\n");
        file.push_str(&self.credential.lines());
        file.push_str("\n[[check]]\nname = \"build\"\n");
        line(&mut file, "organization", &quoted(&self.organization));
        let repositories: Vec<_> = self.repositories.iter().map(|one| quoted(one)).collect();
        line(&mut file, "repositories", &format!("[{}]", repositories.join(", ")));
        file.push_str("on = [\"pull_request\"]\nci = \"builder\"\n\n[ci.builder]\n");
        file.push_str(&self.ci_lines());
        file
    }

    fn ci_lines(&self) -> String {
        match (self.ci.kind.name, &self.ci.kind.secret) {
            ("azure_pipelines", _) => {
                let mut lines = self.ci.lines();
                line(&mut lines, "organization", &quoted(&self.organization));
                lines
            }
            // Its keys are those of calls.
            ("http", Some(secret)) => {
                let url = self.ci.values.get("url").map(|url| quoted(url)).unwrap_or_default();
                let token = reference(secret.variable);
                format!(
                    "kind = \"http\"\nauth = {{ bearer = {token} }}\n\
                     # docs/ci.md says how the gateway looks for a run, asks how it is, and \
                     cancels it.\n\
                     start = {{ url = {url}, json = {{ run = \"{{{{ run }}}}\", \
                     commit = \"{{{{ commit }}}}\", ref = \"{{{{ ref }}}}\", \
                     report = \"{{{{ report }}}}\" }} }}\n"
                )
            }
            _ => self.ci.lines(),
        }
    }
}

/// The variables that the file refers to. What a person has not brought yet is taken as there.
impl Environment for Answers {
    fn variable(&self, name: &str) -> Option<String> {
        let keys = self.secret_keys();
        let key = keys.iter().find(|key| key.variable == name)?;
        match (self.secrets.get(key.variable), key.origin) {
            (Some(secret), _) => Some(secret.expose().to_owned()),
            // Any of its form: it is read and dropped.
            (None, Origin::Key) => Some(EXAMPLE_KEYS.get(position(&keys, name))?.to_string()),
            (None, Origin::SigningSecret) => {
                Some("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned())
            }
            (None, Origin::Elsewhere(_)) => Some("not brought yet".to_owned()),
        }
    }

    fn file(&self, _: &Path) -> io::Result<String> {
        Err(io::Error::from(io::ErrorKind::NotFound))
    }
}

/// Keys of the right form and of different values.
const EXAMPLE_KEYS: [&str; 3] = [
    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZTA=",
    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZTE=",
    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZTI=",
];

fn position(keys: &[&SecretKey], name: &str) -> usize {
    keys.iter().take_while(|key| key.variable != name).count()
}

fn api_token(file: &mut String, name: &str, role: &str, secret: &SecretKey) {
    file.push_str("\n[[api_token]]\n");
    line(file, "name", &quoted(name));
    line(file, "role", &quoted(role));
    line(file, secret.name, &reference(secret.variable));
}

fn line(text: &mut String, key: &str, value: &str) {
    text.push_str(&format!("{key} = {value}\n"));
}

fn reference(variable: &str) -> String {
    format!("{{ env = \"{variable}\" }}")
}

/// A text as TOML: JSON has the same escapes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_credential_with_every_kind_of_ci_is_accepted() {
        for credential in &CREDENTIALS {
            for ci in &CIS {
                let mut answers = Answers::examples();
                answers.credential = Chosen::examples(credential);
                answers.ci = Chosen::examples(ci);
                for key in credential.keys {
                    answers.credential.values.insert(key.name, key.example.to_owned());
                }
                let config = answers.config();
                let config = config.unwrap_or_else(|errors| panic!("{}\n{errors}", answers.file()));
                assert!(config.warnings.is_empty(), "{:?}", config.warnings);
                let read =
                    (config.organizations[0].credential.kind(), config.ci["builder"].kind_name);
                assert_eq!(read, (credential.name, ci.name));
            }
        }
    }

    #[test]
    fn what_an_answer_has_in_it_stays_in_its_text() {
        let mut answers = Answers::examples();
        answers.repositories = vec!["a\"]\nci = \"x/b".to_owned()];
        let config = answers.config();
        assert!(config.is_ok_and(|config| config.checks.len() == 1), "{}", answers.file());
    }
}
