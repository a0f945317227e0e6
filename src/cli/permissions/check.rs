//! `azdo-gateway permissions check`: who the gateway is in an organization, what it sees, what it
//! may, and for everything that is missing the command that grants it.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{Surveyed, list};
use crate::cli::Common;
use crate::cli::gateway::Gateway;
use crate::cli::output::say;
use crate::cli::table::{self, text};

/// How many names are listed; more are counted.
const NAMES_MAX: usize = 50;

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// One organization instead of all.
    organization: Option<String>,
}

impl Check {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        let gateway = Gateway::reach(common).await?;
        let surveyed = self.ask(&gateway).await;
        gateway.close().await;
        let surveyed = surveyed?;
        if common.json {
            let all = surveyed
                .iter()
                .map(|one| json!({ "organization": one.shown, "permissions": one.rights }));
            say!("{:#}", json!({ "items": all.collect::<Vec<_>>() }));
        } else {
            for (number, one) in surveyed.iter().enumerate() {
                if number > 0 {
                    say!("");
                }
                print(one);
            }
        }
        Ok(exit_code(surveyed.iter().all(Surveyed::is_fine)))
    }

    async fn ask(&self, gateway: &Gateway) -> anyhow::Result<Vec<Surveyed>> {
        let names = match &self.organization {
            Some(name) => vec![name.clone()],
            None => {
                let all = gateway.get("/v1/organizations").await?;
                list(&all, "items").map(|item| text(item, "name")).collect()
            }
        };
        let mut surveyed = Vec::new();
        for name in names {
            surveyed.push(Surveyed::ask(gateway, &name).await?);
        }
        Ok(surveyed)
    }
}

/// 0 where all is well.
pub(super) fn exit_code(is_fine: bool) -> ExitCode {
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Everything about one organization.
pub(super) fn print(surveyed: &Surveyed) {
    print_identity(&surveyed.shown);
    print_places(&surveyed.shown);
    print_rights(surveyed);
    print_policies(surveyed);
    let shown: Vec<&str> = list(&surveyed.shown, "problems").filter_map(Value::as_str).collect();
    for problem in surveyed.problems().filter(|problem| !shown.contains(problem)) {
        say!("problem       {problem}");
    }
    if surveyed.is_fine() {
        say!("nothing is missing");
    }
}

fn print_identity(shown: &Value) {
    say!("organization  {} ({})", text(shown, "name"), text(shown, "kind"));
    match shown.get("identity").filter(|identity| identity.is_object()) {
        Some(identity) => {
            say!("identity      {}, {}", text(identity, "display_name"), text(identity, "account"));
        }
        None => say!("identity      not known: Azure DevOps did not let the gateway in"),
    }
    if let Some(link) = shown.get("link").filter(|link| link.is_object()) {
        let (by, at) = (text(link, "linked_by"), text(link, "linked_at"));
        say!("linked        {} by {by}, {at}", text(link, "user_name"));
    }
    for problem in list(shown, "problems").filter_map(Value::as_str) {
        say!("problem       {problem}");
    }
}

/// So that an operator picks checks from what is there.
fn print_places(shown: &Value) {
    let mut names = Vec::new();
    for project in list(shown, "projects") {
        for repository in list(project, "repositories") {
            let checks: Vec<&str> = list(repository, "checks").filter_map(Value::as_str).collect();
            let watched = match checks.is_empty() {
                true => "no check".to_owned(),
                false => checks.join(", "),
            };
            let place = format!("{}/{}", text(project, "name"), text(repository, "name"));
            names.push(format!("{place}  ({watched})"));
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

fn place(row: &Value) -> String {
    match row.get("repository").and_then(Value::as_str) {
        Some(repository) => format!("{}/{repository}", text(row, "project")),
        None => text(row, "project"),
    }
}

fn print_rights(surveyed: &Surveyed) {
    let is = |row: &Value, field: &str| row.get(field) == Some(&Value::Bool(true));
    let cells = |row: &Value| {
        let has = match (is(row, "has"), is(row, "optional")) {
            (true, _) => "yes",
            (false, true) => "not needed",
            (false, false) => "NO",
        };
        vec![text(row, "permission"), place(row), has.to_owned(), text(row, "for")]
    };
    let rows: Vec<Vec<String>> = surveyed.rows().map(cells).collect();
    if !rows.is_empty() {
        say!("");
        table::print(&["permission", "where", "has", "for"], &rows);
        say!("");
    }
    print_missing(surveyed);
    for probe in surveyed.probes() {
        let outcome = match probe.get("allowed") {
            Some(Value::Bool(true)) => "a commit status is taken".to_owned(),
            Some(Value::Bool(false)) => format!("refused: {}", text(probe, "detail")),
            _ => format!("not known: {}", text(probe, "detail")),
        };
        say!("tried         {}: {outcome}", place(probe));
    }
}

/// Whether merging waits for the required checks, and where it does not.
fn print_policies(surveyed: &Surveyed) {
    for policy in surveyed.policies() {
        let branches = policy.get("branches").and_then(Value::as_str).unwrap_or("every branch");
        let at = format!("{} at {} {branches}", text(policy, "context"), place(policy));
        match policy.get("problem").and_then(Value::as_str) {
            None => say!("required      {at}: policy {} waits for it", text(policy, "policy")),
            Some(problem) => say!("NOT required  {at}: {problem}"),
        }
    }
}

/// One command may grant several rows: it is printed once, after them.
fn print_missing(surveyed: &Surveyed) {
    let mut rows = surveyed.missing().peekable();
    while let Some(row) = rows.next() {
        let (permission, namespace) = (text(row, "permission"), text(row, "namespace"));
        let (bit, token) = (text(row, "bit"), text(row, "token"));
        say!("missing       {permission} at {}", place(row));
        say!("              namespace {namespace}, bit {bit}, token {token}");
        let line = row.get("grant").and_then(Value::as_str);
        let next = rows.peek().and_then(|next| next.get("grant")).and_then(Value::as_str);
        if let Some(line) = line.filter(|line| next != Some(line)) {
            say!("  {line}");
        }
    }
    if let Some(row) = surveyed.missing().next() {
        let name = text(row, "organization");
        say!("or, all at once: azdo-gateway permissions grant {name} --pat-env NAME");
        say!("");
    }
}
