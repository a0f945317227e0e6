//! `azdo-gateway check-config`: prints everything that is wrong with the configuration.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::Common;
use crate::cli::output::say;
use crate::config::Finding;

pub(super) fn run(common: &Common) -> anyhow::Result<ExitCode> {
    let config = match common.load() {
        Ok(config) => config,
        Err(errors) => {
            // People read the same on standard error.
            if common.json {
                say!("{}", json!({ "ok": false, "errors": as_json(errors.findings()) }));
            }
            return Err(errors.into());
        }
    };
    let (organizations, checks) = (config.organizations.len(), config.checks.len());
    let (ci, path) = (config.ci.len(), common.config().display());
    if common.json {
        let warnings = as_json(&config.warnings);
        let counts = json!({ "organizations": organizations, "checks": checks, "ci": ci });
        say!("{}", json!({ "ok": true, "counts": counts, "warnings": warnings }));
        return Ok(ExitCode::SUCCESS);
    }
    for warning in &config.warnings {
        say!("warning: {warning}");
    }
    let counted = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    };
    let organizations = counted(organizations, "organization");
    let (checks, ci) = (counted(checks, "check"), counted(ci, "CI system"));
    say!("{path}: ok ({organizations}, {checks}, {ci})");
    Ok(ExitCode::SUCCESS)
}

fn as_json(findings: &[Finding]) -> Vec<Value> {
    let items = findings.iter().map(|Finding { path, line, column, what, help }| {
        json!({ "path": path, "line": line, "column": column, "what": what, "help": help })
    });
    items.collect()
}
