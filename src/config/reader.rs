//! One pass over one file: parses its syntax and collects the findings.
//!
//! Reading does not stop at the first error: the error is recorded, and reading goes on with the
//! next key.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::DeTable;

use super::environment::Environment;
use super::finding::{Finding, position, sort};

/// The keys that the reader knows, by the name of their table.
pub(super) type Known = BTreeMap<&'static str, BTreeSet<&'static str>>;

/// The file, the environment that it refers to, and the findings so far.
pub(super) struct Reader<'r> {
    path: &'r str,
    text: &'r str,
    pub(super) environment: &'r dyn Environment,
    errors: RefCell<Vec<Finding>>,
    warnings: RefCell<Vec<Finding>>,
    known: RefCell<Known>,
    /// Lines with a syntax error. Other errors of such a line are dropped, since the parser had to
    /// guess what the line means.
    broken_lines: BTreeSet<usize>,
}

impl<'r> Reader<'r> {
    /// Parses the text as far as that is possible, and records every syntax error.
    pub(super) fn new(
        path: &'r str,
        text: &'r str,
        environment: &'r dyn Environment,
    ) -> (Self, Spanned<DeTable<'r>>) {
        let (document, syntax) = DeTable::parse_recoverable(text);
        let mut reader = Self {
            path,
            text,
            environment,
            errors: RefCell::default(),
            warnings: RefCell::default(),
            known: RefCell::default(),
            broken_lines: BTreeSet::new(),
        };
        for error in syntax {
            let offset = error.span().map_or(0, |span| span.start);
            let (what, help) = explain_syntax(error.message());
            let finding = reader.finding(offset, format!("not valid TOML: {what}"), help);
            // The parser can report one mistake several times; only the first report is kept.
            if reader.broken_lines.insert(finding.line) {
                reader.errors.get_mut().push(finding);
            }
        }
        (reader, document)
    }

    /// Records an error.
    pub(super) fn refuse(&self, offset: usize, what: impl Into<String>, help: impl Into<String>) {
        let finding = self.finding(offset, what.into(), help.into());
        if !self.broken_lines.contains(&finding.line) {
            self.errors.borrow_mut().push(finding);
        }
    }

    /// Records that something is missing, unless the file has syntax errors: it may be in a line
    /// that could not be parsed.
    pub(super) fn refuse_missing(
        &self,
        offset: usize,
        what: impl Into<String>,
        help: impl Into<String>,
    ) {
        if self.broken_lines.is_empty() {
            self.refuse(offset, what, help);
        }
    }

    /// Records a warning.
    pub(super) fn warn(&self, offset: usize, what: impl Into<String>, help: impl Into<String>) {
        let finding = self.finding(offset, what.into(), help.into());
        self.warnings.borrow_mut().push(finding);
    }

    /// Records that a table may have a key.
    pub(super) fn record_key(&self, table: &'static str, key: &'static str) {
        self.known.borrow_mut().entry(table).or_default().insert(key);
    }

    /// The line of a byte offset.
    pub(super) fn line(&self, offset: usize) -> usize {
        position(self.text, offset).0
    }

    /// The errors, the warnings in the order of the file, and the known keys.
    pub(super) fn into_parts(self) -> (Vec<Finding>, Vec<Finding>, Known) {
        let mut warnings = self.warnings.into_inner();
        sort(&mut warnings);
        (self.errors.into_inner(), warnings, self.known.into_inner())
    }

    fn finding(&self, offset: usize, what: String, help: String) -> Finding {
        let (line, column) = position(self.text, offset);
        Finding { path: self.path.to_owned(), line, column, what, help }
    }
}

/// Splits the parser's message into what is wrong and a remedy.
fn explain_syntax(message: &str) -> (&str, String) {
    match message.split_once(", expected ") {
        Some((what, "nothing")) => (what, "remove what is here".into()),
        // The parser reports an unquoted word like this.
        Some((what, "literal string" | "`inf`" | "`nan`")) => (what, "put text in quotes".into()),
        Some((what, expected)) => (what, format!("expected here: {expected}")),
        None if message == "duplicate key" => (message, "keep one of the two".into()),
        None => (message, "https://toml.io explains the notation".into()),
    }
}
