//! `azdo-gateway permissions check`: prints the gateway's identity in an organization, what it
//! sees, which permissions it has, and for each missing one the command that grants it.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{Survey, list};
use crate::cli::Common;
use crate::cli::gateway::Gateway;
use crate::cli::output::say;
use crate::cli::table::{self, text};
use crate::printable::printable;

/// The most repositories that are listed; the others are counted.
const NAMES_MAX: usize = 50;

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// Only this organization.
    organization: Option<String>,
}

impl Check {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        let surveys = Gateway::with(common, async |gateway| self.ask(gateway).await).await?;
        if common.json {
            let all = surveys.iter().map(
                |one| json!({ "organization": one.organization, "permissions": one.permissions }),
            );
            say!("{:#}", json!({ "items": all.collect::<Vec<_>>() }));
        } else {
            for (number, one) in surveys.iter().enumerate() {
                if number > 0 {
                    say!("");
                }
                print(one);
            }
        }
        Ok(exit_code(surveys.iter().all(Survey::is_fine)))
    }

    async fn ask(&self, gateway: &Gateway) -> anyhow::Result<Vec<Survey>> {
        let mut surveys = Vec::new();
        for name in gateway.organizations(self.organization.as_deref()).await? {
            surveys.push(Survey::ask(gateway, &name).await?);
        }
        Ok(surveys)
    }
}

/// 0 where nothing is missing or wrong.
pub(super) fn exit_code(is_fine: bool) -> ExitCode {
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints everything about one organization.
pub(super) fn print(survey: &Survey) {
    print_identity(&survey.organization);
    print_repositories(&survey.organization);
    print_permissions(survey);
    print_policies(survey);
    let shown: Vec<&str> =
        list(&survey.organization, "problems").filter_map(Value::as_str).collect();
    for problem in survey.problems().filter(|problem| !shown.contains(problem)) {
        say!("problem       {}", printable(problem));
    }
    if survey.is_fine() {
        say!("nothing is missing");
    }
}

fn print_identity(shown: &Value) {
    say!("organization  {} ({})", text(shown, "name"), text(shown, "kind"));
    match shown.get("identity").filter(|identity| identity.is_object()) {
        Some(identity) => {
            say!("identity      {}, {}", text(identity, "display_name"), text(identity, "account"));
        }
        None => say!("identity      unknown: Azure DevOps refused the credential of the gateway"),
    }
    if let Some(link) = shown.get("link").filter(|link| link.is_object()) {
        let (by, at) = (text(link, "linked_by"), text(link, "linked_at"));
        say!("linked        {} by {by}, {at}", text(link, "user_name"));
    }
    for problem in list(shown, "problems").filter_map(Value::as_str) {
        say!("problem       {}", printable(problem));
    }
}

/// Prints the repositories that the identity sees, for operators who write checks for them.
fn print_repositories(shown: &Value) {
    let mut names = Vec::new();
    for project in list(shown, "projects") {
        for repository in list(project, "repositories") {
            let checks: Vec<&str> = list(repository, "checks").filter_map(Value::as_str).collect();
            let checks = if checks.is_empty() { "no check".to_owned() } else { checks.join(", ") };
            let (project, repository) = (text(project, "name"), text(repository, "name"));
            names.push(format!("{project}/{repository}  ({checks})"));
        }
    }
    let projects = list(shown, "projects").count();
    say!("sees          {}, {}", count(projects, "project"), repositories(names.len()));
    for name in names.iter().take(NAMES_MAX) {
        say!("              {name}");
    }
    if names.len() > NAMES_MAX {
        say!("              and {} more: see --json", names.len() - NAMES_MAX);
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn repositories(number: usize) -> String {
    if number == 1 { "1 repository".into() } else { format!("{number} repositories") }
}

fn location(row: &Value) -> String {
    match row.get("repository").and_then(Value::as_str) {
        Some(repository) => format!("{}/{}", text(row, "project"), printable(repository)),
        None => text(row, "project"),
    }
}

fn print_permissions(survey: &Survey) {
    let is = |row: &Value, field: &str| row.get(field) == Some(&Value::Bool(true));
    let cells = |row: &Value| {
        let has = match (is(row, "has"), is(row, "optional")) {
            (true, _) => "yes",
            (false, true) => "not needed",
            (false, false) => "NO",
        };
        vec![text(row, "permission"), location(row), has.to_owned(), text(row, "for")]
    };
    let rows: Vec<Vec<String>> = survey.rows().map(cells).collect();
    if !rows.is_empty() {
        say!("");
        table::print(&["permission", "where", "has", "for"], &rows);
        say!("");
    }
    print_missing(survey);
    for probe in survey.probes() {
        let outcome = match probe.get("allowed") {
            Some(Value::Bool(true)) => "a commit status can be posted".to_owned(),
            Some(Value::Bool(false)) => format!("refused: {}", text(probe, "detail")),
            _ => format!("unknown: {}", text(probe, "detail")),
        };
        say!("tried         {}: {outcome}", location(probe));
    }
}

/// Prints for each required check and branch whether merging waits for it.
fn print_policies(survey: &Survey) {
    for policy in survey.policies() {
        let branches = policy.get("branches").and_then(Value::as_str).unwrap_or("every branch");
        let branches = printable(branches);
        let at = format!("{} at {} {branches}", text(policy, "context"), location(policy));
        match policy.get("problem").and_then(Value::as_str) {
            None => say!("required      {at}: policy {} waits for it", text(policy, "policy")),
            Some(problem) => say!("NOT required  {at}: {}", printable(problem)),
        }
    }
}

/// Prints the missing permissions. One command may grant several: it is printed once, after them.
fn print_missing(survey: &Survey) {
    let mut rows = survey.missing().peekable();
    while let Some(row) = rows.next() {
        let (permission, namespace) = (text(row, "permission"), text(row, "namespace"));
        let (bit, token) = (text(row, "bit"), text(row, "token"));
        say!("missing       {permission} at {}", location(row));
        say!("              namespace {namespace}, bit {bit}, token {token}");
        let line = row.get("grant").and_then(Value::as_str);
        let next = rows.peek().and_then(|next| next.get("grant")).and_then(Value::as_str);
        if let Some(line) = line.filter(|line| next != Some(line)) {
            say!("  {line}");
        }
    }
    if let Some(row) = survey.missing().next() {
        let name = text(row, "organization");
        say!("To grant all of them: azdo-gateway permissions grant {name} --pat-env NAME");
        say!("");
    }
}
