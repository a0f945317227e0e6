//! Says on a terminal what a command waits for, once that takes longer than two seconds: one line
//! on standard error, which is removed at the end. Where nobody looks, nothing is said.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// What takes no longer needs no words.
const SILENT: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_secs(1);

/// Waits for `work`, and says so: `what` is what is waited for.
pub(super) async fn while_waiting<T>(what: &str, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let mut line = Line::begin();
    let mut work = Box::pin(work);
    let mut wait = SILENT;
    loop {
        match tokio::time::timeout(wait, &mut work).await {
            Ok(done) => return done,
            Err(_) => line.show(&format!("{what}: {} s", began.elapsed().as_secs())),
        }
        wait = EVERY;
    }
}

/// The line of a terminal that says how far a command is.
pub(super) struct Line {
    is_terminal: bool,
    is_shown: bool,
}

impl Line {
    pub(super) fn begin() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), is_shown: false }
    }

    /// Shows a text instead of the one before.
    pub(super) fn show(&mut self, text: &str) {
        if self.is_terminal {
            eprint!("\r{text}\x1b[K");
            self.is_shown = true;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}
