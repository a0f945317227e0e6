//! What `init` prints at the end: what is missing, what to register, and the next three commands.

use serde_json::{Value, json};

use super::Written;
use super::answers::Answers;
use super::entra;
use super::kinds::{Origin, SecretKey};
use crate::cli::output::{print_json, say};

/// After the files were written.
pub(super) fn print(answers: &Answers, written: &Written, as_json: bool) {
    let Written { file, environment } = written;
    let (missing, next) = (answers.missing(), commands(answers, written));
    let steps = entra::steps(answers, true);
    if as_json {
        let names: Vec<_> = missing.iter().map(|(name, _)| name).collect();
        print_json(&json!({
            "files": [file, environment], "missing": names, "register": steps, "next": next,
        }));
        return;
    }
    let (file, environment) = (file.display(), environment.display());
    say!("Written: {file}, and {environment} with the secrets, readable for you alone.");
    if let Some(steps) = steps {
        say!("\nIf you have not registered the app yet:\n\n{steps}");
    }
    for (name, from) in &missing {
        say!("\nPut {name} into {environment}: {from}.");
    }
    say!("\nNext:");
    next.iter().for_each(|command| say!("  {command}"));
}

fn commands(answers: &Answers, written: &Written) -> [String; 3] {
    let file = quoted(&written.file.display().to_string());
    let environment = written.environment.display().to_string();
    // A shell looks for a name without a slash elsewhere.
    let environment = match environment.contains('/') {
        true => quoted(&environment),
        false => quoted(&format!("./{environment}")),
    };
    let gateway = format!("azdo-gateway --config {file}");
    let organization = &answers.organization;
    let last = match answers.credential.kind.name {
        "service_user" => format!("{gateway} link {organization}"),
        _ => format!("{gateway} permissions check {organization}"),
    };
    [
        format!("set -a; . {environment}; set +a; {gateway} check-config"),
        format!("{gateway} serve"),
        last,
    ]
}

/// A path as a shell reads it.
fn quoted(path: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-".contains(letter);
    match path.chars().all(is_plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// With `--print`: the configuration, and no secret.
pub(super) fn print_only(answers: &Answers, as_json: bool) {
    let keys = answers.secret_keys();
    if as_json {
        let secret = |key: &&SecretKey| json!({ "name": key.variable, "how": how(key.origin) });
        let secrets: Vec<Value> = keys.iter().map(secret).collect();
        print_json(&json!({ "configuration": answers.file(), "secrets": secrets }));
        return;
    }
    say!("{}", answers.file());
    say!("# The secrets, as environment variables (or write {{ file = \"/path\" }} above):");
    for key in keys {
        say!("#   {:30} {}", key.variable, how(key.origin));
    }
}

/// How a secret is made.
fn how(origin: Origin) -> &'static str {
    match origin {
        Origin::Key => "azdo-gateway keygen",
        Origin::SigningSecret => "azdo-gateway keygen --webhook",
        Origin::Elsewhere(from) => from,
    }
}
