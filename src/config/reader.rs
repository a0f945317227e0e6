//! One pass over one file: its syntax, and the place where everything that is wrong is collected.
//!
//! Nothing here stops at the first error: whoever finds one records it and goes on with what is
//! left. It must never know what the keys mean.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::DeTable;

use super::environment::Environment;
use super::finding::{Finding, position, sort};

/// The keys that were asked for, by the name of their table.
pub(super) type Known = BTreeMap<&'static str, BTreeSet<&'static str>>;

/// The file, what it may refer to, and what was found.
pub(super) struct Reader<'r> {
    path: &'r str,
    text: &'r str,
    pub(super) environment: &'r dyn Environment,
    errors: RefCell<Vec<Finding>>,
    warnings: RefCell<Vec<Finding>>,
    known: RefCell<Known>,
    /// Lines that are not TOML: what is said about the rest of such a line would mislead.
    broken: BTreeSet<usize>,
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
            broken: BTreeSet::new(),
        };
        for error in syntax {
            let at = error.span().map_or(0, |span| span.start);
            let (what, help) = explained(error.message());
            let finding = reader.finding(at, format!("not valid TOML: {what}"), help);
            // One slip can be reported several times over; the first report says it.
            if reader.broken.insert(finding.line) {
                reader.errors.get_mut().push(finding);
            }
        }
        (reader, document)
    }

    /// Records an error.
    pub(super) fn refuse(&self, at: usize, what: impl Into<String>, help: impl Into<String>) {
        let finding = self.finding(at, what.into(), help.into());
        if !self.broken.contains(&finding.line) {
            self.errors.borrow_mut().push(finding);
        }
    }

    /// Records that something is not there. Where lines could not be read, it may stand in one of
    /// them, so then nothing is said.
    pub(super) fn lacks(&self, at: usize, what: impl Into<String>, help: impl Into<String>) {
        if self.broken.is_empty() {
            self.refuse(at, what, help);
        }
    }

    /// Records a warning.
    pub(super) fn warn(&self, at: usize, what: impl Into<String>, help: impl Into<String>) {
        let finding = self.finding(at, what.into(), help.into());
        self.warnings.borrow_mut().push(finding);
    }

    /// Records that a key of a table was asked for.
    pub(super) fn knows(&self, table: &'static str, key: &'static str) {
        self.known.borrow_mut().entry(table).or_default().insert(key);
    }

    /// The line of a byte offset.
    pub(super) fn line(&self, at: usize) -> usize {
        position(self.text, at).0
    }

    /// Errors, warnings in the order of the file, and the keys that were asked for.
    pub(super) fn into_parts(self) -> (Vec<Finding>, Vec<Finding>, Known) {
        let mut warnings = self.warnings.into_inner();
        sort(&mut warnings);
        (self.errors.into_inner(), warnings, self.known.into_inner())
    }

    fn finding(&self, at: usize, what: String, help: String) -> Finding {
        let (line, column) = position(self.text, at);
        Finding { path: self.path.to_owned(), line, column, what, help }
    }
}

/// The parser's message, split into what is wrong and what would be right.
fn explained(message: &str) -> (&str, String) {
    match message.split_once(", expected ") {
        Some((what, "nothing")) => (what, "remove what stands here".into()),
        // What an unquoted word looks like to the parser.
        Some((what, "literal string" | "`inf`" | "`nan`")) => (what, "put text in quotes".into()),
        Some((what, expected)) => (what, format!("expected here: {expected}")),
        None if message == "duplicate key" => (message, "keep one of the two".into()),
        None => (message, "https://toml.io explains the notation".into()),
    }
}
