//! The arguments and the output of every list: the size of the page, the cursor and the
//! organization.

use clap::Args;
use serde_json::Value;

use super::output::say;
use super::table;

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

/// Prints the items of an answer as a table, and the argument that continues it.
pub(super) fn print(answer: &Value, head: &[&str], row: impl Fn(&Value) -> Vec<String>) {
    let items = answer.get("items").and_then(Value::as_array);
    let rows: Vec<Vec<String>> = items.into_iter().flatten().map(row).collect();
    table::print(head, &rows);
    if let Some(next) = answer.get("next").and_then(Value::as_str) {
        say!("more: --cursor {next}");
    }
}
