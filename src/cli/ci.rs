//! `azdo-gateway ci`: what each CI can do, and whether its token, job and settings are right.

use std::process::ExitCode;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::Common;
use super::gateway::Gateway;
use super::output::say;
use super::table::{self, painted, text};
use crate::printable::printable;

#[derive(Debug, Subcommand)]
pub(super) enum Ci {
    /// List the CI systems of the configuration and what each can do.
    #[command(after_help = "\
Examples:
  azdo-gateway ci list")]
    List,
    /// Ask each CI whether its token, its job and its settings are right. Starts nothing.
    #[command(after_help = "\
Examples:
  azdo-gateway ci check
  azdo-gateway ci check builder")]
    Check {
        /// Only this one: the NAME of a [ci.NAME].
        name: Option<String>,
    },
}

impl Ci {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        match self {
            Ci::List => Gateway::print(common, Method::GET, "/v1/ci", list).await,
            Ci::Check { name } => check(common, name.as_deref()).await,
        }
    }
}

fn items(answer: &Value, field: &str) -> Vec<Value> {
    answer.get(field).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn list(answer: &Value) {
    let word = |item: &Value, field: &str| match item.get(field) {
        Some(Value::Bool(true)) => "yes".to_owned(),
        _ => "no".to_owned(),
    };
    let row = |item: &Value| {
        let [name, kind] = ["name", "kind"].map(|field| text(item, field));
        let can = ["finds", "polls", "cancels", "callbacks"].map(|field| word(item, field));
        [vec![name, kind], can.to_vec()].concat()
    };
    let rows: Vec<_> = items(answer, "items").iter().map(row).collect();
    let head = ["name", "kind", "looks up starts", "polls", "cancels", "takes callbacks"];
    table::print(&head, &rows);
}

async fn check(common: &Common, only: Option<&str>) -> anyhow::Result<ExitCode> {
    let answers = Gateway::with(common, async |gateway| {
        let names = match only {
            Some(name) => vec![name.to_owned()],
            None => {
                let all = gateway.get("/v1/ci").await?;
                items(&all, "items").iter().map(|item| text(item, "name")).collect()
            }
        };
        let mut answers = Vec::new();
        for name in names {
            let mut path = url::Url::parse("http://gateway/v1/ci")?;
            if let Ok(mut segments) = path.path_segments_mut() {
                segments.extend([name.as_str(), "check"]);
            }
            answers.push(gateway.call(Method::POST, path.path()).await?);
        }
        Ok(answers)
    })
    .await?;
    let findings = answers.iter().flat_map(|answer| items(answer, "findings"));
    let is_right = findings.into_iter().all(|it| it.get("is_problem") != Some(&Value::Bool(true)));
    if common.json {
        say!("{:#}", json!({ "ok": is_right, "items": answers }));
    } else {
        answers.iter().for_each(print);
    }
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(answer: &Value) {
    let name = text(answer, "name");
    for finding in items(answer, "findings") {
        let what = text(&finding, "what");
        match finding.get("help").and_then(Value::as_str) {
            None => say!("{name}: {what}"),
            Some(help) => {
                say!("{name}: {} {what}", painted("NO", "problem:"));
                say!("  help: {}", printable(help));
            }
        }
    }
}
