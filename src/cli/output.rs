//! Lines on standard output. Where the reader stops reading, as `head` does, the process exits
//! silently.

use std::fmt::Arguments;
use std::io::Write;

use serde_json::Value;

/// Like `println!`, but exits where standard output is closed.
macro_rules! say {
    ($($arguments:tt)*) => { $crate::cli::output::line(format_args!($($arguments)*)) };
}
pub(super) use say;

/// Prints JSON, indented.
pub(super) fn print_json(value: &Value) {
    say!("{value:#}");
}

/// Prints one line.
pub(super) fn line(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let written = out.write_fmt(text).and_then(|()| out.write_all(b"\n"));
    if written.is_err() {
        std::process::exit(0);
    }
}
