//! `azdo-gateway init`: asks what a gateway has to know, or takes it from options, and writes a
//! configuration and the secrets that it refers to.
//!
//! What is wrong with an answer is found by the reader of the configuration, so that everything
//! that is written passes `check-config`.

/// The answers, and the file that they make.
mod answers;
/// The questions.
mod dialog;
/// What to register in Entra.
mod entra;
/// Both files or none.
mod files;
/// What each kind is asked about.
mod kinds;
/// What the neighbours say about answers.
mod look;
/// What to do next.
mod next;
/// A person at a terminal.
mod terminal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::{Common, usage};
use crate::ci::webhook::SigningSecret;
use crate::secret::{RootKey, Secret};

use answers::{Answers, Chosen};
use dialog::{explained, show};
use files::{NewFile, environment_line};
use kinds::{CIS, CREDENTIALS, Kind, Origin};
use look::{Look, Seen};

/// Where the configuration is written without `--config`.
const FILE: &str = "gateway.toml";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  azdo-gateway init
  azdo-gateway init --yes --organization my-devops-org --public-url https://gateway.example.com \\
    --credential pat --ci webhook --ci-key url=https://ci.example.com/start

Secrets are no options, since other processes see those: they are taken from the environment
variable that the configuration names, such as ENTRA_CLIENT_SECRET, or asked for.")]
pub(super) struct Init {
    /// The organization: its bare name.
    #[arg(long)]
    organization: Option<String>,
    /// Where the organization is, if not at `dev.azure.com`.
    #[arg(long, value_name = "URL")]
    azure_devops_url: Option<String>,
    /// The https address at which Azure DevOps and the CI reach the gateway.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Who the gateway is to the organization.
    #[arg(long, value_parser = PossibleValuesParser::new(kinds::names(&CREDENTIALS)))]
    credential: Option<String>,
    /// The tenant in Entra.
    #[arg(long, value_name = "GUID")]
    tenant_id: Option<String>,
    /// The app registration in Entra, or a user-assigned managed identity.
    #[arg(long, value_name = "GUID")]
    client_id: Option<String>,
    /// The only account that may be linked as the service user.
    #[arg(long, value_name = "NAME@DOMAIN")]
    expected_user: Option<String>,
    /// The file into which the platform writes the token of a workload identity.
    #[arg(long, value_name = "PATH")]
    token_file: Option<String>,
    /// Where Entra is, if not at `login.microsoftonline.com`.
    #[arg(long, value_name = "URL")]
    authority_url: Option<String>,
    /// The metadata service of a managed identity.
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// A repository to check, or several of them with *. May be given more than once.
    #[arg(long = "repository", value_name = "PROJECT/REPOSITORY")]
    repositories: Vec<String>,
    /// The kind of the CI.
    #[arg(long, value_parser = PossibleValuesParser::new(kinds::names(&CIS)))]
    ci: Option<String>,
    /// A key of the CI, such as account=70403. May be given more than once.
    #[arg(long = "ci-key", value_name = "KEY=VALUE", value_parser = key_value)]
    ci_keys: Vec<(String, String)>,
    /// Ask nothing: take the default of what is not given.
    #[arg(long)]
    yes: bool,
    /// Write no file: print the configuration, and the names of the secrets with how each is made.
    #[arg(long)]
    print: bool,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// The answers, or the exit code where the command ends without them and has printed why.
type Ended = Result<Answers, ExitCode>;

impl Init {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        let path = common.given().unwrap_or(Path::new(FILE)).to_owned();
        let env_path = path.with_extension("env");
        if let Some(taken) = files::taken(&[&path, &env_path]).filter(|_| !self.print) {
            let taken = taken.display();
            return Ok(usage(&format!(
                "{taken} is there already, and is not overwritten: name another file with \
                 --config, or print with --print"
            )));
        }
        let mut look = Look::new()?;
        let answers = match self.answers(&mut look).await? {
            Ok(answers) => answers,
            Err(code) => return Ok(code),
        };
        if self.print {
            next::print_only(&answers, common.json);
            return Ok(ExitCode::SUCCESS);
        }
        let written = write(&answers, path, env_path)?;
        next::print(&answers, &written, common.json);
        Ok(ExitCode::SUCCESS)
    }

    async fn answers(&self, look: &mut Look) -> anyhow::Result<Ended> {
        if self.yes {
            return self.given(look).await;
        }
        if !terminal::is_there() {
            return Ok(Err(usage(
                "there is no terminal to ask on: give the answers as options, and --yes",
            )));
        }
        let answers = dialog::ask_for_all(self, look).await?;
        if !self.print && terminal::ask("\nWrite the files?", Some("yes"))?.starts_with(['n', 'N'])
        {
            terminal::tell("nothing was written");
            return Ok(Err(ExitCode::FAILURE));
        }
        Ok(Ok(answers))
    }

    /// The answers that options give, all of them checked.
    async fn given(&self, look: &mut Look) -> anyhow::Result<Ended> {
        let answers = match self.read_options() {
            Ok(answers) => answers,
            Err(wrong) => return Ok(Err(usage(&wrong))),
        };
        let config = match answers.config() {
            Ok(config) => config,
            Err(errors) => return Ok(Err(usage(&explained(&errors)))),
        };
        let mut seen = Vec::new();
        if let Some(organization) = config.organizations.first() {
            seen.push(look.organization(&organization.ado).await);
            seen.extend(look.tenant_of(&organization.credential).await);
        }
        let is_wrong = |seen: &[Seen]| seen.iter().any(|it| matches!(it, Seen::Wrong(_)));
        if !is_wrong(&seen) {
            seen.extend(try_access(&answers, look).await?);
        }
        seen.iter().for_each(show);
        if is_wrong(&seen) {
            terminal::tell("nothing was written");
            return Ok(Err(ExitCode::FAILURE));
        }
        Ok(Ok(answers))
    }

    /// The answers that options give.
    ///
    /// # Errors
    /// Everything that is missing.
    fn read_options(&self) -> Result<Answers, String> {
        let mut answers = Answers::examples();
        let mut missing = Vec::new();
        let mut take = |option: &str, given: &Option<String>| {
            missing.extend(given.is_none().then(|| option.to_owned()));
            given.clone().unwrap_or_default()
        };
        answers.organization = take("--organization", &self.organization);
        answers.public_url = take("--public-url", &self.public_url);
        let credential = take("--credential", &self.credential);
        let ci = take("--ci", &self.ci);
        answers.azure_devops_url.clone_from(&self.azure_devops_url);
        if !self.repositories.is_empty() {
            answers.repositories.clone_from(&self.repositories);
        }
        if let Some(kind) = kinds::find(&CREDENTIALS, &credential) {
            let value = |name: &str| self.credential_value(name);
            let (chosen, lacks) = chosen(kind, value, |key| format!("--{}", key.replace('_', "-")));
            answers.credential = chosen;
            missing.extend(lacks);
        }
        if let Some(kind) = kinds::find(&CIS, &ci) {
            let (chosen, lacks) =
                chosen(kind, |name| self.ci_value(name), |key| format!("--ci-key {key}=…"));
            answers.ci = chosen;
            missing.extend(lacks);
            self.refuse_other_ci_keys(kind)?;
        }
        for kind in [answers.credential.kind, answers.ci.kind] {
            let Some(key) = &kind.secret else { continue };
            if let (Origin::Elsewhere(_), Some(secret)) =
                (key.origin, from_environment(key.variable))
            {
                answers.secrets.insert(key.variable, secret);
            }
        }
        if missing.is_empty() {
            return Ok(answers);
        }
        let steps = entra::steps(&answers, self.client_id.is_some());
        let steps = steps.filter(|_| self.client_id.is_none() && self.public_url.is_some());
        let steps = steps.map(|steps| format!("\n\n{steps}")).unwrap_or_default();
        Err(format!("missing: {}{steps}", missing.join(", ")))
    }

    /// What an option gives for a key of the credential.
    fn credential_value(&self, key: &str) -> Option<&str> {
        match key {
            "tenant_id" => self.tenant_id.as_deref(),
            "client_id" => self.client_id.as_deref(),
            "expected_user" => self.expected_user.as_deref(),
            "token_file" => self.token_file.as_deref(),
            "authority_url" => self.authority_url.as_deref(),
            "endpoint_url" => self.endpoint_url.as_deref(),
            _ => None,
        }
    }

    /// What an option gives for a key of the CI.
    fn ci_value(&self, key: &str) -> Option<&str> {
        let mut keys = self.ci_keys.iter();
        keys.find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn refuse_other_ci_keys(&self, kind: &Kind) -> Result<(), String> {
        let is_known = |name: &str| kind.keys.iter().any(|key| key.name == name);
        let Some((name, _)) = self.ci_keys.iter().find(|(name, _)| !is_known(name)) else {
            return Ok(());
        };
        let known: Vec<_> = kind.keys.iter().map(|key| key.name).collect();
        Err(format!(
            "--ci-key {name}: for {} init takes {}; add other keys to the file that it writes",
            kind.name,
            if known.is_empty() { "no key".to_owned() } else { known.join(", ") },
        ))
    }
}

/// A kind with given values, and the options of those that it lacks.
fn chosen<'a>(
    kind: &'static Kind,
    given: impl Fn(&str) -> Option<&'a str>,
    option: impl Fn(&str) -> String,
) -> (Chosen, Vec<String>) {
    let mut chosen = Chosen { kind, values: Default::default() };
    let mut missing = Vec::new();
    for key in kind.keys {
        match given(key.name) {
            Some(value) => drop(chosen.values.insert(key.name, value.to_owned())),
            None if key.form.is_optional() => {}
            None => missing.push(option(key.name)),
        }
    }
    (chosen, missing)
}

/// Tries the credential, where its secret is known.
async fn try_access(answers: &Answers, look: &Look) -> anyhow::Result<Option<Seen>> {
    let needed = answers.credential.kind.secret.as_ref();
    if needed.is_some_and(|key| !answers.secrets.contains_key(key.variable)) {
        return Ok(None);
    }
    let config = answers.config()?;
    let Some(organization) = config.organizations.first() else { return Ok(None) };
    Ok(look.access(organization, &config.checks).await)
}

fn from_environment(variable: &str) -> Option<Secret> {
    std::env::var(variable).ok().filter(|value| !value.is_empty()).map(Secret::new)
}

/// The files that were written.
struct Written {
    file: PathBuf,
    environment: PathBuf,
}

fn write(answers: &Answers, file: PathBuf, environment: PathBuf) -> anyhow::Result<Written> {
    // What init promises: nothing is written that `check-config` refuses.
    answers.config()?;
    let secrets = environment_file(answers)?;
    files::write_all(&[
        NewFile { path: environment.clone(), text: secrets, mode: 0o600 },
        NewFile { path: file.clone(), text: answers.file(), mode: 0o644 },
    ])?;
    Ok(Written { file, environment })
}

/// The text of `gateway.env`, with fresh secrets.
fn environment_file(answers: &Answers) -> anyhow::Result<String> {
    let no_random_numbers = "no random numbers are available";
    let mut text = String::from(
        "# Secrets of the gateway, written by `azdo-gateway init`. Keep a copy of the root key\n\
         # elsewhere: without it what is encrypted in the database is lost.\n",
    );
    for key in answers.secret_keys() {
        let secret = match (answers.secrets.get(key.variable), key.origin) {
            (Some(secret), _) => secret.clone(),
            (None, Origin::Key) => RootKey::generate().context(no_random_numbers)?.to_base64(),
            (None, Origin::SigningSecret) => {
                SigningSecret::generate().context(no_random_numbers)?
            }
            (None, Origin::Elsewhere(from)) => {
                text.push_str(&format!("# {from}:\n{}=\n", key.variable));
                continue;
            }
        };
        let line = environment_line(key.variable, secret.expose()).map_err(anyhow::Error::msg)?;
        text.push_str(&line);
    }
    Ok(text)
}
