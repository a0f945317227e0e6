//! Writes the files of `init`: both or none, and never over one that is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// One file to write.
pub(super) struct NewFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Who may read it.
    pub(super) mode: u32,
}

/// Writes all files under other names, and then gives each its name, which fails where that is
/// taken. So no name ever leads to half a file.
///
/// # Errors
/// A name is taken, or the folder cannot be written to; then none of the files is there.
pub(super) fn write_all(files: &[NewFile]) -> anyhow::Result<()> {
    let mut named = Vec::new();
    let result = files.iter().try_for_each(|file| {
        let written = Unnamed::write(file)?;
        fs::hard_link(&written.0, &file.path)
            .with_context(|| format!("cannot write {}", file.path.display()))?;
        named.push(&file.path);
        Ok(())
    });
    if result.is_err() {
        // What cannot be removed is named by the error that is returned.
        named.into_iter().for_each(|path| drop(fs::remove_file(path)));
    }
    result
}

/// A file that is removed under this name.
struct Unnamed(PathBuf);

impl Unnamed {
    fn write(file: &NewFile) -> anyhow::Result<Self> {
        let mut name = file.path.clone().into_os_string();
        name.push(format!(".new-{}", std::process::id()));
        let path = PathBuf::from(name);
        let failed = || format!("cannot write {}", file.path.display());
        let open = OpenOptions::new().write(true).create_new(true).mode(file.mode).open(&path);
        let mut open = open.with_context(failed)?;
        let unnamed = Self(path);
        write(&mut open, &file.text).with_context(failed)?;
        Ok(unnamed)
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

fn write(file: &mut File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The line of an environment file that `sh` and systemd read alike.
///
/// # Errors
/// Such a line cannot hold the value.
pub(super) fn environment_line(name: &str, value: &str) -> Result<String, String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "+/=_-.~@,%".contains(letter);
    // A shell reads ~ at the beginning as a home.
    if value.chars().all(is_plain) && !value.starts_with('~') {
        return Ok(format!("{name}={value}\n"));
    }
    if value.contains('\'') || value.chars().any(char::is_control) {
        return Err(format!(
            "{name} has a quote or a line break, which an environment file cannot hold: leave it \
             out, put it into a file, and write {{ file = \"/path\" }} in gateway.toml"
        ));
    }
    Ok(format!("{name}='{value}'\n"))
}

/// The first of these files that is there, even as a link to nothing.
pub(super) fn taken<'p>(paths: &[&'p Path]) -> Option<&'p Path> {
    paths.iter().copied().find(|path| path.symlink_metadata().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_file(path: PathBuf) -> NewFile {
        NewFile { path, text: "text".into(), mode: 0o600 }
    }

    #[test]
    fn where_one_file_cannot_be_written_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("b"), "before").unwrap();
        let error = write_all(&[new_file(path("a")), new_file(path("b"))]).unwrap_err();
        assert!(format!("{error:#}").contains("exists"), "{error:#}");
        assert_eq!(fs::read_to_string(path("b")).unwrap(), "before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something is left");
        write_all(&[new_file(path("a")), new_file(path("c"))]).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn values_are_quoted_where_a_shell_would_change_them() {
        assert_eq!(environment_line("A", "x~8Q.z+/=").unwrap(), "A=x~8Q.z+/=\n");
        assert_eq!(environment_line("A", "~root").unwrap(), "A='~root'\n");
        assert_eq!(environment_line("A", "a $b \"c\"").unwrap(), "A='a $b \"c\"'\n");
        assert!(environment_line("A", "it's").is_err());
        assert!(environment_line("A", "two\nlines").is_err());
    }
}
