//! Where the values of secrets are: variables and files of the process.
//!
//! It is a trait so that tests and offline commands read a configuration without the machine that
//! it is for. It must never know which key a value is for, nor keep a value.

use std::io;
use std::path::Path;

/// What a configuration may refer to.
pub trait Environment {
    /// The environment variable of that name, when it is set to text.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file; a relative path starts at the working directory.
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
