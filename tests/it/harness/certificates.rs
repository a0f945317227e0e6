//! Certificates, made with openssl, by an authority that nobody else knows.

use std::path::Path;
use std::process::Command;

/// The extensions are named here: what openssl adds by itself makes every certificate an authority.
const OPENSSL: &str = "[req]\ndistinguished_name = name\n[name]\n\
[authority]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n\
subjectKeyIdentifier = hash\n\
[server]\nbasicConstraints = critical, CA:FALSE\nextendedKeyUsage = serverAuth\n\
subjectAltName = DNS:localhost, IP:127.0.0.1\n\
[client]\nbasicConstraints = critical, CA:FALSE\nextendedKeyUsage = clientAuth\n";

/// Creates an authority, a certificate for `localhost` and 127.0.0.1, and one of a client, each as
/// a file `.pem` and one `.key`.
pub(crate) fn create(folder: &Path) {
    std::fs::write(folder.join("openssl.cnf"), OPENSSL).expect("the folder is writable");
    create_one(folder, "authority", &[]);
    for name in ["server", "client"] {
        create_one(folder, name, &["-CA", "authority.pem", "-CAkey", "authority.key"]);
    }
}

fn create_one(folder: &Path, name: &str, signer: &[&str]) {
    let created = Command::new("openssl")
        .current_dir(folder)
        .args(["req", "-x509", "-config", "openssl.cnf", "-extensions", name, "-days", "2"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-subj", &format!("/CN=Test {name}"), "-keyout", &format!("{name}.key")])
        .args(["-out", &format!("{name}.pem")])
        .args(signer)
        .output()
        .expect("openssl is there");
    let errors = String::from_utf8_lossy(&created.stderr);
    assert!(created.status.success(), "openssl creates no certificate: {errors}");
}
