//! The names of the files of the intake.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// What the name of a damaged file has before its number.
const DAMAGED: &str = "damaged-";

/// What follows the path that all files have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileName {
    Number(u32),
    /// Something in the file is damaged.
    Damaged(u32),
}

/// The path of a file; `common` is the path of every file without its number.
pub(super) fn path_of(common: &Path, name: FileName) -> PathBuf {
    let mut path = OsString::from(common);
    match name {
        FileName::Number(number) => path.push(number.to_string()),
        FileName::Damaged(number) => path.push(format!("{DAMAGED}{number}")),
    }
    path.into()
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// The names of the files that exist.
pub(super) fn file_names(path: &Path) -> io::Result<Vec<FileName>> {
    let common = path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder_of(path))? {
        let entry = entry?.file_name();
        let name = entry.as_encoded_bytes().strip_prefix(common);
        names.extend(name.and_then(|name| file_name(str::from_utf8(name).ok()?)));
    }
    Ok(names)
}

fn file_name(name: &str) -> Option<FileName> {
    let damaged = name.strip_prefix(DAMAGED);
    let digits = damaged.unwrap_or(name);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| is_number)?;
    Some(if damaged.is_some() { FileName::Damaged(number) } else { FileName::Number(number) })
}
