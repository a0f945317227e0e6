//! Lines on standard output. Whoever reads them may stop reading, as `head` does: then the command
//! ends without a word. It must never be used for errors.

use std::fmt::Arguments;
use std::io::Write;

/// Like `println!`, and ends the process when nobody reads any more.
macro_rules! say {
    ($($arguments:tt)*) => { $crate::cli::output::line(format_args!($($arguments)*)) };
}
pub(super) use say;

/// One line.
pub(super) fn line(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let written = out.write_fmt(text).and_then(|()| out.write_all(b"\n"));
    if written.is_err() {
        std::process::exit(0);
    }
}
