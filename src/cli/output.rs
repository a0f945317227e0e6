//! Lines on standard output, with escapes for what a terminal would obey. Where the reader stops
//! reading, as `head` does, the process exits silently.

use std::fmt::Arguments;
use std::io::Write;

use serde_json::Value;

use crate::printable::printable_lines;

/// Like `println!`, but escapes control characters other than line breaks, and exits where standard
/// output is closed.
macro_rules! say {
    ($($arguments:tt)*) => { $crate::cli::output::line(format_args!($($arguments)*)) };
}
pub(super) use say;

/// Prints JSON, indented.
pub(super) fn print_json(value: &Value) {
    say!("{value:#}");
}

/// Prints a text and a line break.
pub(super) fn line(text: Arguments<'_>) {
    coloured_line(&printable_lines(&text.to_string()));
}

/// Like [`line()`], for a text that has colours and no other control characters.
pub(super) fn coloured_line(text: &str) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n"));
    if written.is_err() {
        std::process::exit(0);
    }
}
