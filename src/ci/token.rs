//! A token of a CI, which its file may replace while the gateway runs: so Kubernetes does with the
//! tokens of its service accounts.

use std::path::PathBuf;

use crate::secret::Secret;

/// A token, and the file that it was read from.
#[derive(Clone, Debug)]
pub struct Token {
    first: Secret,
    /// None where it is in a variable, which never changes.
    file: Option<PathBuf>,
}

impl Token {
    /// `first` is the token as it is now.
    pub fn new(first: Secret, file: Option<PathBuf>) -> Self {
        Self { first, file }
    }

    /// As it was when the gateway started.
    pub fn first(&self) -> &Secret {
        &self.first
    }

    /// As its file has it now. None where that has no other one, or cannot be read.
    pub(super) async fn replaced(&self) -> Option<Secret> {
        let file = self.file.clone()?;
        let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(file));
        let text = read.await.ok()?.ok()?;
        let line = text.trim_end_matches(['\r', '\n']);
        (!line.is_empty() && line != self.first.expose()).then(|| Secret::new(line.to_owned()))
    }
}
