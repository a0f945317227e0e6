//! Only the user of the gateway may read and write its files: deliveries hold names and addresses
//! of people, and who writes to the database decides what is merged.

use std::fs::{DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The permissions of every file.
pub(crate) const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// The permissions of the group and of everybody.
const OF_OTHERS: u32 = 0o077;
/// What the names of files beside the database have behind its name.
const SUFFIXES: [&str; 4] = ["-wal", "-shm", ".lock", "-intake-"];

/// Creates the folder of the database and the database where there is none, and takes the
/// permissions of others from the files that are there. SQLite gives its other files those of the
/// database.
pub(crate) fn prepare(database: &Path) -> io::Result<()> {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    check_folder(folder)?;
    File::options().create(true).append(true).mode(FILE_MODE).open(database)?;
    restrict(database, &std::fs::metadata(database)?);
    let name = database.file_name().unwrap_or_default().as_encoded_bytes();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.file_name();
        let suffix = found.as_encoded_bytes().strip_prefix(name).unwrap_or_default();
        let is_known = SUFFIXES.iter().any(|known| suffix.starts_with(known.as_bytes()));
        // A gateway that is running may be deleting the file.
        if let Some(metadata) = entry.metadata().ok().filter(|_| is_known) {
            restrict(&entry.path(), &metadata);
        }
    }
    Ok(())
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o7777
}

fn restrict(path: &Path, metadata: &Metadata) {
    let mode = mode(metadata);
    if !metadata.is_file() || mode & OF_OTHERS == 0 {
        return;
    }
    let shown = path.display();
    match std::fs::set_permissions(path, PermissionsExt::from_mode(FILE_MODE)) {
        Ok(()) => {
            tracing::warn!("others had access to {shown} (mode {mode:03o}): now its mode is 600");
        }
        Err(error) => tracing::warn!(
            "others have access to {shown} (mode {mode:03o}), which cannot be changed: {error}; \
             let the gateway's user own it"
        ),
    }
}

/// The folder may have been made for other files, too, so its permissions are not changed.
fn check_folder(folder: &Path) -> io::Result<()> {
    let mode = mode(&std::fs::metadata(folder)?);
    if mode & OF_OTHERS != 0 {
        let folder = folder.display();
        tracing::warn!(
            "others have access to {folder} (mode {mode:03o}), the folder of the database: chmod \
             700 {folder}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        mode(&std::fs::metadata(path).unwrap())
    }

    #[test]
    fn what_is_created_and_what_is_there_belongs_to_the_user_alone() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("data/of/the/gateway");
        let database = folder.join("gateway.db");
        prepare(&database).unwrap();
        assert_eq!((mode_of(&folder), mode_of(&database)), (0o700, 0o600));
        let open = [
            ("gateway.db", 0o600),
            ("gateway.db-wal", 0o600),
            ("gateway.db-intake-0", 0o600),
            ("gateway.db-intake-damaged-0", 0o600),
            ("gateway.db.lock", 0o600),
            ("gateway.db.copy", 0o644),
            ("other.db-wal", 0o644),
        ];
        for (name, _) in open {
            std::fs::write(folder.join(name), name).unwrap();
            let everybody = PermissionsExt::from_mode(0o644);
            std::fs::set_permissions(folder.join(name), everybody).unwrap();
        }
        prepare(&database).unwrap();
        for (name, expected) in open {
            assert_eq!(mode_of(&folder.join(name)), expected, "{name}");
            assert_eq!(std::fs::read(folder.join(name)).unwrap(), name.as_bytes());
        }
    }

    #[test]
    fn what_a_link_leads_to_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        std::fs::write(&elsewhere, "").unwrap();
        std::fs::set_permissions(&elsewhere, PermissionsExt::from_mode(0o644)).unwrap();
        let link = folder.path().join("gateway.db-intake-0");
        std::os::unix::fs::symlink(&elsewhere, link).unwrap();
        prepare(&folder.path().join("gateway.db")).unwrap();
        assert_eq!(mode_of(&elsewhere), 0o644);
    }
}
