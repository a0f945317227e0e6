//! Tests of the configuration as a whole, and the parts of files that they share.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::{Config, Environment, Errors, parse};

mod credentials;
mod examples;
mod fuzz;
mod golden;
mod http_keys;
mod reference;
mod rules;

pub(super) const ROOT_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(super) const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(super) const TOKEN: &str = "token-0123456789abcdef";
pub(super) const PAT: &str = "pat-value-that-nobody-sees";
pub(super) const CLIENT_SECRET: &str = "client~secret-that-nobody-sees";
pub(super) const NEXT_CLIENT_SECRET: &str = "next~client~secret";
pub(super) const CLIENT_SECRET_ID: &str = "5ec2e701-d000-4000-8000-000000000001";
pub(super) const CI_TOKEN: &str = "ci-token-that-nobody-sees";
pub(super) const CI_WEBHOOK_SECRET: &str = "ci-webhook-secret-that-nobody-sees";
/// Not a real certificate: the reader checks the header lines only.
pub(super) const PEM: &str = "-----BEGIN CERTIFICATE-----\npem-body\n-----END CERTIFICATE-----\n\
                              -----BEGIN PRIVATE KEY-----\npem-body\n-----END PRIVATE KEY-----\n";

/// A certificate of nobody and its key, and the key of another one.
pub(super) const CLIENT_CERTIFICATE: &str = include_str!("client.crt");
pub(super) const CLIENT_KEY: &str = include_str!("client.key");
pub(super) const OTHER_KEY: &str = include_str!("other.key");

/// Not a real key: one number, in the form of a key.
pub(super) const APP_PEM: &str =
    "-----BEGIN RSA PRIVATE KEY-----\nMAMCAQA=\n-----END RSA PRIVATE KEY-----\n";

/// The environment variables and files of a test.
pub(super) struct Given {
    pub(super) variables: BTreeMap<&'static str, &'static str>,
    pub(super) files: BTreeMap<&'static str, &'static str>,
}

impl Environment for Given {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|text| (*text).to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let text = path.to_str().and_then(|path| self.files.get(path));
        text.map(|text| (*text).to_owned()).ok_or(io::ErrorKind::NotFound.into())
    }
}

pub(super) fn given() -> Given {
    let variables = [
        ("AZDO_GATEWAY_ROOT_KEY", ROOT_KEY),
        ("AZDO_GATEWAY_OPERATOR_TOKEN", TOKEN),
        ("AZDO_GATEWAY_PAT", PAT),
        ("BUILDER_SECRET", SIGNING),
        ("ENTRA_CLIENT_SECRET", CLIENT_SECRET),
        ("ENTRA_CLIENT_SECRET_NEXT", NEXT_CLIENT_SECRET),
        ("ENTRA_CLIENT_SECRET_ID", CLIENT_SECRET_ID),
        ("SIGN_IN_SECRET", CLIENT_SECRET),
        ("AZDO_GATEWAY_DB_PASSWORD", "database-password-nobody-sees"),
        ("DBT_TOKEN", CI_TOKEN),
        ("BUILDKITE_TOKEN", CI_TOKEN),
        ("CI_TOKEN", CI_TOKEN),
        ("JENKINS_TOKEN", CI_TOKEN),
        ("GITHUB_TOKEN", CI_TOKEN),
        ("GITLAB_TOKEN", CI_TOKEN),
        ("GITLAB_TRIGGER_TOKEN", CI_TOKEN),
        ("CI_WEBHOOK_SECRET", CI_WEBHOOK_SECRET),
        ("EMPTY", ""),
        ("SHORT", "short-secret"),
        ("SPACED", "spaced secret with words"),
        ("FIVE_BYTES", "c2hvcnQ="),
    ];
    let files = [
        ("/run/root_key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"),
        ("/run/pat", "pat-value-that-nobody-sees\r\n"),
        ("/run/empty", "\n"),
        ("/run/secrets/entra.pem", PEM),
        ("/run/secrets/github.pem", APP_PEM),
        ("/run/secrets/ci.crt", CLIENT_CERTIFICATE),
        ("/run/secrets/ci.key", CLIENT_KEY),
        ("/run/other.key", OTHER_KEY),
        ("/run/rsa.pem", "-----BEGIN RSA PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n"),
        ("/run/certificate.pem", "-----BEGIN CERTIFICATE-----\npem-body\n"),
        ("/run/key.pem", "-----BEGIN PRIVATE KEY-----\npem-body\n"),
        ("/run/locked.pem", "-----BEGIN CERTIFICATE-----\n-----BEGIN ENCRYPTED PRIVATE KEY-----"),
    ];
    Given { variables: variables.into(), files: files.into() }
}

pub(super) fn read(text: &str) -> Result<Config, Errors> {
    parse("gateway.toml", text, &given())
}

/// The parts of a valid file. A test replaces the parts that it is about.
pub(super) const SERVER: &str = "[server]\npublic_url = \"https://gw.example.com\"\n";
pub(super) const SECRETS: &str = "[secrets]\nroot_key = { env = \"AZDO_GATEWAY_ROOT_KEY\" }\n";
pub(super) const ORGANIZATION: &str = "[[organization]]\nname = \"fabrikam\"\n";
pub(super) const CREDENTIAL: &str =
    "[organization.credential]\nkind = \"pat\"\ntoken = { env = \"AZDO_GATEWAY_PAT\" }\n";
pub(super) const CHECK: &str = "[[check]]\nname = \"unit\"\norganization = \"fabrikam\"\n\
                                repositories = [\"Tools/*\"]\nci = \"builder\"\n";
pub(super) const CI: &str = "[ci.builder]\nkind = \"webhook\"\n\
                             url = \"https://ci.example.com/start\"\n\
                             secret = { env = \"BUILDER_SECRET\" }\n";

/// The whole file, after the `replacements` of parts by other text.
pub(super) fn file(replacements: &[(&str, &str)]) -> String {
    [SERVER, SECRETS, ORGANIZATION, CREDENTIAL, CHECK, CI]
        .iter()
        .map(|part| replacements.iter().find(|(old, _)| old == part).map_or(*part, |(_, new)| new))
        .collect()
}
