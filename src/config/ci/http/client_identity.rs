//! `client_certificate` and `client_key`, which go together.

use crate::ci::{ClientIdentity, Unfit};
use crate::config::secrets::{self, Loaded};
use crate::config::section::Section;
use crate::config::value::Value;

const CERTIFICATE: &str = "{ file = \"/run/secrets/ci.crt\" }";
const KEY: &str = "{ file = \"/run/secrets/ci.key\" }";
const TO_CERTIFICATE: &str = " to the certificate that the gateway shows to the CI, PEM";
const TO_KEY: &str = " to the private key of client_certificate, PEM and without a password";

/// None where one of them is wrong.
pub(super) fn read(section: &mut Section<'_>) -> Option<Option<ClientIdentity>> {
    let certificate = section.value("client_certificate", CERTIFICATE);
    let key = section.value("client_key", KEY);
    match (certificate, key) {
        (None, None) => Some(None),
        (Some(certificate), Some(key)) => both(&certificate, &key).map(Some),
        (Some(certificate), None) => {
            let help = format!("add client_key = {KEY}");
            certificate.refuse("client_certificate needs a client_key", help);
            None
        }
        (None, Some(key)) => {
            let help = format!("add client_certificate = {CERTIFICATE}");
            key.refuse("client_key belongs to no client_certificate", help);
            None
        }
    }
}

fn both(certificate: &Value<'_>, key: &Value<'_>) -> Option<ClientIdentity> {
    let loaded = (secrets::load(certificate, TO_CERTIFICATE), secrets::load(key, TO_KEY));
    let (Some(loaded), Some(loaded_key)) = loaded else { return None };
    match ClientIdentity::parse(&loaded.secret, &loaded_key.secret) {
        Ok(identity) => Some(identity),
        Err(Unfit::Certificate(why)) => refuse(certificate, &loaded, why, TO_CERTIFICATE),
        Err(Unfit::Key(why)) => refuse(key, &loaded_key, why, TO_KEY),
    }
}

fn refuse<T>(value: &Value<'_>, loaded: &Loaded, why: &str, to: &str) -> Option<T> {
    value.refuse(format!("{}: {} {why}", value.key, loaded.source), format!("set it{to}"));
    None
}
