//! What the reader makes of a file: the golden output, the promises about secrets, the reference.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::{Config, Environment, Errors, parse};

mod fuzz;
mod golden;
mod reference;
mod rules;

pub(super) const ROOT_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(super) const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(super) const TOKEN: &str = "token-0123456789abcdef";
pub(super) const PAT: &str = "pat-value-that-nobody-sees";

/// Variables and files of a test.
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
        ("EMPTY", ""),
        ("SHORT", "short-secret"),
        ("SPACED", "spaced secret with words"),
        ("FIVE_BYTES", "c2hvcnQ="),
    ];
    let files = [
        ("/run/root_key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"),
        ("/run/pat", "pat-value-that-nobody-sees\r\n"),
        ("/run/empty", "\n"),
    ];
    Given { variables: variables.into(), files: files.into() }
}

pub(super) fn read(text: &str) -> Result<Config, Errors> {
    parse("gateway.toml", text, &given())
}

/// A file that is right, in parts that tests replace.
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

/// The whole file, where `instead` replaces the parts of the same table.
pub(super) fn file(instead: &[(&str, &str)]) -> String {
    [SERVER, SECRETS, ORGANIZATION, CREDENTIAL, CHECK, CI]
        .iter()
        .map(|part| instead.iter().find(|(old, _)| old == part).map_or(*part, |(_, new)| new))
        .collect()
}
