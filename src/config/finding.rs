//! Findings: the errors and warnings about a configuration file.
//!
//! A finding is printed as it is, so it names the position and the remedy, and must not contain
//! the value of a secret.

use std::fmt;

/// One error or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The path of the file, as the operator gave it.
    pub path: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong, as one clause.
    pub what: String,
    /// What to write instead.
    pub help: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, column, what, help } = self;
        write!(out, "{path}:{line}:{column}: {what}\n  help: {help}")
    }
}

/// Everything that is wrong with a configuration, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(Vec<Finding>);

impl Errors {
    pub(super) fn new(mut findings: Vec<Finding>) -> Self {
        sort(&mut findings);
        Self(findings)
    }

    /// The errors, in the order of the file.
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, finding) in self.0.iter().enumerate() {
            if number > 0 {
                out.write_str("\n")?;
            }
            write!(out, "{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// Sorts by position. Findings at the same position keep the order in which they were recorded.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| (finding.line, finding.column));
}

/// Line and column of a byte offset, from 1; the column counts characters.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |found| found + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let begins_character = |byte: &&u8| (**byte & 0b1100_0000) != 0b1000_0000;
    let column = before.iter().skip(line_start).filter(begins_character).count() + 1;
    (line, column)
}
