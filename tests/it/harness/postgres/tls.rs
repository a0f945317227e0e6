//! Certificates of a server: made with openssl, by an authority that nobody else knows.

use std::path::PathBuf;
use std::process::Command;

use super::folder::{Folder, succeed};

/// The extensions are named here: what openssl adds by itself makes every certificate an authority.
const OPENSSL: &str = "[req]\ndistinguished_name = name\n[name]\n\
[authority]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n\
subjectKeyIdentifier = hash\n\
[server]\nbasicConstraints = critical, CA:FALSE\nextendedKeyUsage = serverAuth\n\
subjectAltName = DNS:localhost, IP:127.0.0.1\n";

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
    std::fs::write(folder.join("openssl.cnf"), OPENSSL).expect("the folder is writable");
    create(folder, "authority", &[]);
    create(folder, "server", &["-CA", "authority.pem", "-CAkey", "authority.key"]);
    for name in ["server.pem", "server.key"] {
        folder.give_to_server(&folder.join(name));
    }
}

fn create(folder: &Folder, name: &str, signer: &[&str]) {
    let created = Command::new("openssl")
        .current_dir(folder.path())
        .args(["req", "-x509", "-config", "openssl.cnf", "-extensions", name, "-days", "2"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-subj", &format!("/CN=Test {name}"), "-keyout", &format!("{name}.key")])
        .args(["-out", &format!("{name}.pem")])
        .args(signer)
        .output();
    succeed("create a certificate", &created.expect("openssl is there"));
}
