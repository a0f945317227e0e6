//! The dialog of `init` on a terminal: each answer is checked at once, and asked for again where it
//! is wrong.

use super::Init;
use super::answers::{Answers, Chosen};
use super::entra;
use super::kinds::{CIS, CREDENTIALS, Form, Key, Kind, Origin, find};
use super::look::{Look, Seen};
use super::terminal::{ask, ask_optional, ask_secret, choose, tell};
use crate::config::Errors;
use crate::secret::Secret;

/// Asks for everything that no option gives.
pub(super) async fn ask_for_all(init: &Init, look: &mut Look) -> anyhow::Result<Answers> {
    let mut answers = Answers::examples();
    answers.azure_devops_url.clone_from(&init.azure_devops_url);
    ask_organization(init, &mut answers, look).await?;
    ask_public_url(init, &mut answers)?;
    let asked = "Who the gateway is to Azure DevOps";
    choose_kind((asked, &CREDENTIALS), &init.credential, &mut answers, |it| &mut it.credential)?;
    if let Some(steps) = entra::steps(&answers, false).filter(|_| init.client_id.is_none()) {
        tell(&format!("\n{steps}"));
    }
    ask_credential(init, &mut answers, look).await?;
    ask_for_secret(answers.credential.kind, &mut answers)?;
    ask_repositories(init, &mut answers)?;
    if let Some(seen) = super::try_access(&answers, look).await? {
        show(&seen);
    }
    let asked = "The CI that runs the check";
    choose_kind((asked, &CIS), &init.ci, &mut answers, |it| &mut it.ci)?;
    for key in answers.ci.kind.keys {
        ask_key(key, init.ci_value(key.name), look, &mut answers, |it| &mut it.ci)?;
    }
    ask_for_secret(answers.ci.kind, &mut answers)?;
    Ok(answers)
}

/// Repeats `set` with a given value, and then with answers, until the configuration accepts it.
fn until_right(
    given: Option<&str>,
    answers: &mut Answers,
    mut ask: impl FnMut() -> anyhow::Result<Option<String>>,
    set: impl Fn(&mut Answers, Option<String>),
) -> anyhow::Result<()> {
    let mut value = given.map(str::to_owned);
    loop {
        let answer = match value.take() {
            Some(value) => Some(value),
            None => ask()?,
        };
        set(answers, answer);
        match answers.config() {
            Ok(_) => return Ok(()),
            Err(errors) => tell(&explained(&errors)),
        }
    }
}

/// What is wrong with answers, without positions in a file that is not there.
pub(super) fn explained(errors: &Errors) -> String {
    let lines = errors.findings().iter().map(|it| format!("{}\n  help: {}", it.what, it.help));
    lines.collect::<Vec<_>>().join("\n")
}

async fn ask_organization(
    init: &Init,
    answers: &mut Answers,
    look: &mut Look,
) -> anyhow::Result<()> {
    let mut given = init.organization.as_deref();
    loop {
        let question = || ask("Organization, as in https://dev.azure.com/NAME", None).map(Some);
        until_right(given.take(), answers, question, |answers, name| {
            answers.organization = name.unwrap_or_default();
        })?;
        let config = answers.config()?;
        let Some(organization) = config.organizations.first() else { return Ok(()) };
        let seen = look.organization(&organization.ado).await;
        show(&seen);
        if !matches!(seen, Seen::Wrong(_)) {
            return Ok(());
        }
    }
}

fn ask_public_url(init: &Init, answers: &mut Answers) -> anyhow::Result<()> {
    let question = "Address at which Azure DevOps and your CI reach the gateway (https)";
    until_right(init.public_url.as_deref(), answers, || ask(question, None).map(Some), {
        |answers, url| answers.public_url = url.unwrap_or_default()
    })
}

fn ask_repositories(init: &Init, answers: &mut Answers) -> anyhow::Result<()> {
    let given = (!init.repositories.is_empty()).then(|| init.repositories.join(","));
    let question = "Repositories, as PROJECT/REPOSITORY with * for any letters, and commas between";
    until_right(given.as_deref(), answers, || ask(question, Some("*/*")).map(Some), {
        |answers, list| {
            let list = list.unwrap_or_default();
            answers.repositories = list.split(',').map(|one| one.trim().to_owned()).collect();
        }
    })
}

/// Sets a kind: the given one, or one that is asked for until the configuration accepts it.
fn choose_kind(
    (question, kinds): (&str, &'static [Kind]),
    given: &Option<String>,
    answers: &mut Answers,
    chosen: impl Fn(&mut Answers) -> &mut Chosen,
) -> anyhow::Result<()> {
    let mut given = given.as_deref().and_then(|name| find(kinds, name));
    loop {
        let kind = match given.take() {
            Some(kind) => Some(kind),
            None => choose(question, kinds)?,
        };
        let Some(kind) = kind else {
            tell("that is none of them");
            continue;
        };
        *chosen(answers) = Chosen::examples(kind);
        match answers.config() {
            Ok(_) => return Ok(()),
            Err(errors) => tell(&explained(&errors)),
        }
    }
}

fn ask_key(
    key: &'static Key,
    given: Option<&str>,
    look: &Look,
    answers: &mut Answers,
    chosen: impl Fn(&mut Answers) -> &mut Chosen,
) -> anyhow::Result<()> {
    if key.form == Form::Unasked && given.is_none() {
        return Ok(());
    }
    let question = format!("{}: {}", key.name, key.about);
    let known = look.tenant.as_deref().filter(|_| key.name == "tenant_id");
    let asked = || match key.form {
        Form::Optional | Form::Unasked => ask_optional(&question),
        Form::Text | Form::Number => ask(&question, known).map(Some),
    };
    until_right(given, answers, asked, |answers, value| {
        let values = &mut chosen(answers).values;
        match value {
            Some(value) => values.insert(key.name, value),
            None => values.remove(key.name),
        };
    })
}

/// Asks for the keys of the credential, and again where the tenant is wrong.
async fn ask_credential(init: &Init, answers: &mut Answers, look: &Look) -> anyhow::Result<()> {
    let mut is_given = true;
    loop {
        for key in answers.credential.kind.keys {
            let given = init.credential_value(key.name).filter(|_| is_given);
            ask_key(key, given, look, answers, |it| &mut it.credential)?;
        }
        let Some(seen) = look.tenant_of(&credential(answers)?).await else { return Ok(()) };
        show(&seen);
        if !matches!(seen, Seen::Wrong(_)) {
            return Ok(());
        }
        is_given = false;
    }
}

/// Asks for the secret of a kind, unless the environment has it or it is made here.
fn ask_for_secret(kind: &'static Kind, answers: &mut Answers) -> anyhow::Result<()> {
    let Some(key) = &kind.secret else { return Ok(()) };
    let Origin::Elsewhere(from) = key.origin else { return Ok(()) };
    let given = match super::from_environment(key.variable) {
        Some(secret) => Some(secret),
        None => ask_secret(&format!("{}: {from}", key.variable))?,
    };
    given.map(|secret: Secret| answers.secrets.insert(key.variable, secret));
    Ok(())
}

fn credential(answers: &Answers) -> anyhow::Result<crate::credentials::Options> {
    let organizations = answers.config()?.organizations;
    let first = organizations.into_iter().next();
    first.map(|it| it.credential).ok_or_else(|| anyhow::anyhow!("there is no organization"))
}

/// Prints what Azure DevOps or Entra says about an answer.
pub(super) fn show(seen: &Seen) {
    match seen {
        Seen::Right(what) => tell(&format!("  ok: {what}")),
        Seen::Open(what) => tell(&format!("  warning: {what}")),
        Seen::Wrong(what) => tell(&format!("  wrong: {what}")),
    }
}
