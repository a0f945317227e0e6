//! The source of secrets: environment variables and files.
//!
//! A trait, so that tests and the demo read a configuration with variables of their own.

use std::io;
use std::path::Path;

/// The environment variables and files that a configuration may refer to.
pub trait Environment {
    /// The value of an environment variable; none where it is not set or not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file. A relative path is relative to the working directory.
    ///
    /// # Errors
    /// The file cannot be read, or is not UTF-8.
    fn file(&self, path: &Path) -> io::Result<String>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process;

impl Environment for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }
}
