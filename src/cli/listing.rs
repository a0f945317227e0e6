//! The arguments and the output of every list: the size of the page, the cursor, the organization,
//! and whether to go on.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::gateway::Gateway;
use super::output::say;
use super::resource::{Resource, items};
use super::{Common, table, watch};

#[derive(Debug, Args)]
pub(super) struct Listing {
    /// The most items to list, up to 500.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Continue where an earlier page ended.
    #[arg(long)]
    cursor: Option<String>,
    /// Only items of this organization.
    #[arg(long)]
    organization: Option<String>,
    /// Print again whenever something has changed, until Ctrl-C: the list on a terminal, elsewhere
    /// only what is new or different.
    #[arg(long, conflicts_with = "cursor")]
    watch: bool,
}

impl Listing {
    /// The path of the list with its query. Filters without a value are left out.
    pub(super) fn path(&self, list: &str, filters: &[(&str, &Option<String>)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &self.limit.to_string());
        let own = [("cursor", &self.cursor), ("organization", &self.organization)];
        for (name, value) in own.iter().chain(filters) {
            query.extend_pairs(value.iter().map(|value| (name, value)));
        }
        format!("{list}?{}", query.finish())
    }
}

impl Listing {
    /// Prints the list; with `--watch` again and again.
    pub(super) async fn show(&self, common: &Common, list: &Resource) -> anyhow::Result<ExitCode> {
        if self.watch {
            return watch::run(common, list).await;
        }
        Gateway::print(common, Method::GET, &list.path, |answer| print(answer, list)).await
    }
}

/// Prints the items of an answer as a table, and the argument that continues it.
fn print(answer: &Value, list: &Resource) {
    let rows: Vec<Vec<String>> = items(answer).map(list.row).collect();
    table::print(list.head, &rows);
    if let Some(next) = answer.get("next").and_then(Value::as_str) {
        say!("more: --cursor {next}");
    }
}
