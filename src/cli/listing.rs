//! What every list of the command line has: how much of it, of whom, and where it goes on. It must
//! never know what is listed.

use clap::Args;
use serde_json::Value;

use super::output::say;
use super::table;

#[derive(Debug, Args)]
pub(super) struct Listing {
    /// How many, up to 500.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Where an earlier page ended.
    #[arg(long)]
    cursor: Option<String>,
    /// Of one organization.
    #[arg(long)]
    organization: Option<String>,
}

impl Listing {
    /// The call that lists, with filters by name; those that are not given are left out.
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

/// The items of an answer as a table, and how to see more.
pub(super) fn print(answer: &Value, head: &[&str], row: impl Fn(&Value) -> Vec<String>) {
    let items = answer.get("items").and_then(Value::as_array);
    let rows: Vec<Vec<String>> = items.into_iter().flatten().map(row).collect();
    table::print(head, &rows);
    if let Some(next) = answer.get("next").and_then(Value::as_str) {
        say!("more: --cursor {next}");
    }
}
