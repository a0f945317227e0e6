//! What stands in a cell of a table, or beside a term.

#![expect(unused_qualifications, reason = "in the code that askama derives for an enum")]

use askama::Template;
use askama::filters::HtmlSafe;
use url::Url;

use super::badge::Badge;
use super::moment::Moment;
use crate::domain::text::cut;

/// As much of a text as a list shows.
const TEXT_CHARS_MAX: usize = 240;

/// See the module.
#[derive(Debug, Template)]
#[template(path = "cell.html")]
pub(super) enum Cell {
    Nothing,
    Text(String),
    /// Mono: ids, commits.
    Code(String),
    Badge(Badge),
    Moment(Moment),
    /// `href`, and what it is around.
    Link(String, Box<Cell>),
    /// Another site.
    Away(String, &'static str),
    /// Two beside each other.
    Pair(Box<Cell>, Box<Cell>),
    /// Several, each on a line.
    Lines(Vec<Cell>),
}

impl HtmlSafe for Cell {}

impl Cell {
    /// A text, whole.
    pub(super) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Nothing } else { Self::Text(text) }
    }

    /// A text, cut to what a list has space for.
    pub(super) fn cut(text: &str) -> Self {
        Self::text(cut(text, TEXT_CHARS_MAX))
    }

    /// Text or nothing.
    pub(super) fn optional(text: Option<&String>) -> Self {
        text.map_or(Self::Nothing, Self::text)
    }

    /// A link around it.
    pub(super) fn at(self, href: String) -> Self {
        Self::Link(href, Box::new(self))
    }

    /// A link to another site, where the address leads to one: `javascript:` and the like are shown
    /// as text.
    pub(super) fn away(address: Option<&String>, words: &'static str) -> Self {
        let Some(address) = address else { return Self::Nothing };
        match Url::parse(address) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Self::Away(url.into(), words),
            _ => Self::cut(address),
        }
    }
}

impl From<Moment> for Cell {
    fn from(moment: Moment) -> Self {
        Self::Moment(moment)
    }
}

/// Rows under their columns.
#[derive(Debug, Template)]
#[template(path = "table.html")]
pub(super) struct Table {
    /// For those who do not see the page.
    pub(super) caption: &'static str,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Row>,
}

impl HtmlSafe for Table {}

/// One row of a table.
#[derive(Debug)]
pub(super) struct Row {
    /// Unique on the page.
    pub(super) id: String,
    /// As many as there are columns.
    pub(super) cells: Vec<Cell>,
}

/// Terms, and what belongs to each.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = "<dl class=\"facts\">{% for (term, cell) in self.0 %}<div><dt>{{ term }}</dt>\
              <dd>{{ cell }}</dd></div>{% endfor %}</dl>"
)]
pub(super) struct Facts(Vec<(&'static str, Cell)>);

impl HtmlSafe for Facts {}

impl Facts {
    /// Without terms that have nothing.
    pub(super) fn new(facts: Vec<(&'static str, Cell)>) -> Self {
        let has_something = |(_, cell): &(&str, Cell)| !matches!(cell, Cell::Nothing);
        Self(facts.into_iter().filter(has_something).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_are_links() {
        let away = |address: &str| Cell::away(Some(&address.to_owned()), "Open").to_string();
        assert!(away("https://ci.example.com/1?a=\"").contains("href=\"https://ci.example.com/1"));
        for address in ["javascript:alert(1)", " JAVASCRIPT:alert(1)", "data:text/html,x", "/x"] {
            assert!(!away(address).contains("href"), "{address}");
        }
    }

    #[test]
    fn text_is_escaped_and_cut() {
        assert_eq!(Cell::cut("<b>").to_string(), "&#60;b&#62;");
        assert!(Cell::cut(&"x".repeat(4_000)).to_string().len() < 300);
    }
}
