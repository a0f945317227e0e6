//! `azdo-gateway check-config`: everything that is wrong with the configuration, at once.

use std::process::ExitCode;

use serde_json::json;

use super::Common;
use crate::cli::output::say;

pub(super) fn run(common: &Common) -> anyhow::Result<ExitCode> {
    let config = common.load()?;
    let (organizations, checks) = (config.organizations.len(), config.checks.len());
    let (ci, path) = (config.ci.len(), common.config.display());
    if common.json {
        let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
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
