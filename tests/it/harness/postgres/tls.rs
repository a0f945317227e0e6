//! Certificates of a server.

use std::path::PathBuf;

use super::folder::Folder;
use crate::harness::certificates;

pub(super) fn ca_file(folder: &Folder) -> PathBuf {
    folder.join("authority.pem")
}

/// Lines of the server's configuration.
pub(super) fn settings(folder: &Folder) -> String {
    let at = folder.path().display();
    format!("ssl = on\nssl_cert_file = '{at}/server.pem'\nssl_key_file = '{at}/server.key'\n")
}

/// Creates an authority, and a certificate for `localhost` and 127.0.0.1.
pub(super) fn create_certificates(folder: &Folder) {
    certificates::create(folder.path());
    for name in ["server.pem", "server.key"] {
        folder.give_to_server(&folder.join(name));
    }
}
