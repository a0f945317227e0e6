//! The page of a list: filters, rows, a link to older ones.

use actix_web::HttpResponse;
use askama::Template;

use super::cell::{Row, Table};
use super::visit::{Visit, part, query};
use crate::server::api::paging::{LIMIT, cursor};
use crate::server::api::resource::Resource;
use crate::server::html::{Frame, Twins};
use crate::server::problem::Problem;

/// A list, before it is a page.
#[derive(Debug)]
pub(super) struct List {
    pub(super) title: &'static str,
    /// The path below `/ui`.
    pub(super) path: &'static str,
    /// The command that prints it, and the filters that the command has.
    pub(super) command: Option<(&'static str, &'static [&'static str])>,
    pub(super) fields: Vec<Field>,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Row>,
    pub(super) next: Option<i64>,
    /// What would fill it.
    pub(super) empty: &'static str,
    /// The path below `/ui` of the same rows as CSV.
    pub(super) csv: Option<&'static str>,
}

/// A filter that people set.
#[derive(Debug)]
pub(super) struct Field {
    /// In the query, as in the API.
    name: &'static str,
    label: &'static str,
    value: String,
    /// Of the field in HTML.
    kind: &'static str,
    /// The only values that it may have; any where there are none.
    options: Vec<String>,
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    frame: Frame,
    fields: Vec<Field>,
    /// The address of the list without filters, where there are some.
    all: Option<String>,
    /// The kinds of changes after which it is read again.
    kinds: &'static str,
    table: Table,
    empty: &'static str,
    older: Option<String>,
    csv: Option<String>,
    /// Whether as many rows were looked at as are for one page, before it was full.
    is_cut: bool,
}

part!(ListPart of ListPage: "list.html", "list");

impl Visit {
    /// A filter with any value.
    pub(super) fn field(&self, name: &'static str, label: &'static str) -> Field {
        self.choice(name, label, Vec::<String>::new())
    }

    /// A filter with one of these values.
    pub(super) fn choice(
        &self,
        name: &'static str,
        label: &'static str,
        options: impl IntoIterator<Item = impl Into<String>>,
    ) -> Field {
        let options = options.into_iter().map(Into::into).collect();
        let value = self.parameters.get(name).unwrap_or_default();
        Field { name, label, value, kind: "text", options }
    }

    /// The filters by time.
    pub(super) fn time_fields(&self) -> [Field; 2] {
        [("since", "From (UTC)"), ("until", "Before (UTC)")].map(|(name, label)| {
            let field = self.field(name, label);
            // Browsers show nothing in a field for times that holds one in another form.
            let is_short = field.value.is_empty() || field.value.len() == "2026-11-28T14:00".len();
            Field { kind: if is_short { "datetime-local" } else { "text" }, ..field }
        })
    }

    /// The filter by organization.
    pub(super) fn organization_field(&self) -> Field {
        self.choice("organization", "Organization", self.state.organizations.names())
    }

    /// Refuses parameters that lists of `R` do not have.
    pub(super) fn check<R: Resource>(&self) -> Result<(), Problem> {
        self.parameters.only(&[R::FILTERS, &["part"]].concat())
    }

    /// The page of a list of `R`.
    pub(super) fn list<R: Resource>(&self, list: List) -> HttpResponse {
        self.list_of(R::FILTERS, Some(R::PATH), list)
    }

    /// The page of a list with these filters, and the path that the API has the same at.
    pub(super) fn list_of(
        &self,
        filters: &[&'static str],
        api: Option<&str>,
        list: List,
    ) -> HttpResponse {
        let set = self.parameters.among(filters);
        let pairs = || set.iter().map(|(name, value)| (*name, value.as_str()));
        let command = list.command.map(|(command, known)| {
            let known = pairs().filter(|(name, _)| known.contains(name));
            let flags = known.map(|(name, value)| format!(" --{name} {}", quoted(value)));
            format!("azdo-gateway {command}{}", flags.collect::<String>())
        });
        let api = api.map(|path| format!("{path}{}", query(pairs())));
        let limit = self.parameters.get("limit");
        let cursor = list.next.map(cursor);
        let older = cursor.as_deref().map(|cursor| {
            let limit = limit.iter().map(|limit| ("limit", limit.as_str()));
            let pairs = pairs().chain(limit).chain([("cursor", cursor)]);
            self.href(&format!("{}{}", list.path, query(pairs)))
        });
        let limit = limit.as_ref().and_then(|limit| limit.parse().ok()).unwrap_or(LIMIT);
        let is_cut = older.is_some() && list.rows.len() < limit;
        let page = ListPage {
            frame: self
                .frame(list.title, list.path, Twins { api, command })
                .about(kinds(list.path).replace(' ', ",")),
            fields: list.fields,
            kinds: kinds(list.path),
            all: (!set.is_empty()).then(|| self.href(list.path)),
            table: Table { caption: list.title, columns: list.columns, rows: list.rows },
            empty: if set.is_empty() { list.empty } else { "Nothing matches the filters." },
            older,
            csv: list.csv.map(|path| self.href(&format!("{path}{}", query(pairs())))),
            is_cut,
        };
        self.answer(&page, &[("list", &ListPart(&page))])
    }
}

/// The changes that the list at this path shows. Where there are none of its own it is read again
/// from time to time, with each beat.
fn kinds(path: &str) -> &'static str {
    match path {
        "/deliveries" => "delivery",
        "/runs" => "run",
        "/statuses" => "status",
        "/pull-requests" => "delivery run",
        _ => "beat",
    }
}

/// An argument as a shell takes it.
pub(super) fn quoted(argument: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:".contains(letter);
    if argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_for_a_shell() {
        assert_eq!(quoted("timed_out"), "timed_out");
        assert_eq!(quoted("a; rm 'x'"), r"'a; rm '\''x'\'''");
    }
}
