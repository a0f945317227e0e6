//! An app registration in Entra: its ids, its authority, and its client secrets or certificate.
//!
//! Messages about a secret or a certificate quote none of it.

use url::Url;
use uuid::Uuid;

use crate::config::address;
use crate::config::secrets;
use crate::config::section::Section;
use crate::config::value::Value;
use crate::credentials::{App, AppCredential, Options};
use crate::secret::Secret;

const AUTHORITY: &str = "https://login.microsoftonline.com";
const CLIENT_SECRET: &str = "{ env = \"ENTRA_CLIENT_SECRET\" }";
const CLIENT_CERTIFICATE: &str = "{ file = \"/run/secrets/entra.pem\" }";
const GUID: &str = "\"00000000-0000-0000-0000-000000000000\"";

const TENANT_ID: &str = "the tenant id is a GUID: Entra admin center → Overview";
const CLIENT_ID: &str =
    "the client id is a GUID: Entra admin center → App registrations → the app → Overview";

/// The keys that every app registration has.
pub(in crate::config) fn read(section: &mut Section<'_>) -> Option<App> {
    let tenant_id = section.required_with("tenant_id", GUID, TENANT_ID);
    let tenant_id = tenant_id.and_then(|value| guid(&value, TENANT_ID));
    let client_id = section.required_with("client_id", GUID, CLIENT_ID);
    let client_id = client_id.and_then(|value| guid(&value, CLIENT_ID));
    let authority_url = authority_url(section);
    Some(App { authority_url: authority_url?, tenant_id: tenant_id?, client_id: client_id? })
}

/// The optional `client_id` of a managed identity.
pub(super) fn optional_client_id(section: &mut Section<'_>) -> Option<Option<String>> {
    let help = "the client id is a GUID: Azure portal → Managed Identities → the identity";
    match section.value("client_id", GUID) {
        Some(value) => guid(&value, help).map(Some),
        None => Some(None),
    }
}

/// A GUID with its hyphens. Other text is not quoted: it may be a secret in the wrong place.
fn guid(value: &Value<'_>, help: &str) -> Option<String> {
    let text = value.text()?;
    if is_guid(text) {
        return Some(text.to_owned());
    }
    value.refuse(format!("{} is not a GUID", value.key), help);
    None
}

pub(in crate::config) fn is_guid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

/// Whether it is a name that people sign in with: `name@domain`.
pub(in crate::config) fn is_sign_in_name(text: &str) -> bool {
    (3..=254).contains(&text.chars().count())
        && text.split_once('@').is_some_and(|(user, domain)| {
            let has_more = domain.contains('@') || text.contains(char::is_whitespace);
            !user.is_empty() && !domain.is_empty() && !has_more
        })
}

/// `authority_url`. A path is refused, since the tenant is appended to the URL, except on this
/// machine: the fake Entra of the demo and the tests has a path.
fn authority_url(section: &mut Section<'_>) -> Option<Url> {
    let example = "\"https://login.microsoftonline.com\"";
    let Some(value) = section.value("authority_url", example) else {
        return Url::parse(AUTHORITY).ok();
    };
    let url = address::base(&value)?;
    if !address::is_loopback(&url) && url.path() != "/" {
        let help = format!("write authority_url = \"{}\"", url.origin().ascii_serialization());
        value.refuse("authority_url has a path, but the tenant is appended to it", help);
        return None;
    }
    Some(url)
}

/// One client secret, or two during a rotation.
pub(super) fn client_secrets(section: &mut Section<'_>) -> Option<Vec<Secret>> {
    client_secrets_like(section, CLIENT_SECRET)
}

/// The same, where remedies suggest `example`.
pub(in crate::config) fn client_secrets_like(
    section: &mut Section<'_>,
    example: &'static str,
) -> Option<Vec<Secret>> {
    let value = section.required("client_secret", example)?;
    Some(secrets::one_or_two(&value, client_secret))
}

fn client_secret(value: &Value<'_>) -> Option<Secret> {
    let to = " to the value of a client secret: Entra admin center → App registrations → the app \
              → Certificates & secrets";
    let secrets::Loaded { secret, source, .. } = secrets::load(value, to)?;
    if is_guid(secret.expose()) {
        let what = format!("client_secret: {source} looks like the id of a client secret");
        value.reader.warn(value.offset, what, format!("set it{to}, column Value"));
    }
    Some(secret)
}

/// `kind = "service_principal"`.
pub(super) fn service_principal(section: &mut Section<'_>) -> Option<Options> {
    let app = read(section);
    let credential = app_credential(section);
    Some(Options::ServicePrincipal { app: app?, credential: credential? })
}

/// `client_secret` or `client_certificate`; exactly one of them is required.
fn app_credential(section: &mut Section<'_>) -> Option<AppCredential> {
    let secret = section.value("client_secret", CLIENT_SECRET);
    let certificate = section.value("client_certificate", CLIENT_CERTIFICATE);
    if secret.is_none() && certificate.is_none() {
        let help = format!(
            "add client_secret = {CLIENT_SECRET}, or client_certificate = {CLIENT_CERTIFICATE}"
        );
        section.refuse_missing("client_secret or client_certificate", help);
    }
    let secrets = secret.map(|value| secrets::one_or_two(&value, client_secret));
    let pem = certificate.map(|value| client_certificate(&value));
    match (secrets, pem, certificate) {
        (Some(_), Some(_), Some(value)) => {
            let what = "client_certificate and client_secret are both given";
            value.refuse(what, "keep one of the two");
            None
        }
        (Some(secrets), ..) => Some(AppCredential::Secrets(secrets)),
        (None, pem, _) => pem?.map(AppCredential::Certificate),
    }
}

/// The PEM headers of the private keys that the gateway can sign with: PKCS #8, and PKCS #1 (RSA).
const PRIVATE_KEYS: [&str; 2] = ["-----BEGIN PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----"];

/// A certificate and its private key in one PEM text.
fn client_certificate(value: &Value<'_>) -> Option<Secret> {
    let to = " to the certificate and its private key, both PEM";
    let secrets::Loaded { secret, source, .. } = secrets::load(value, to)?;
    let text = secret.expose();
    let has_key = PRIVATE_KEYS.iter().any(|begin| text.contains(begin));
    let error = if !text.contains("-----BEGIN CERTIFICATE-----") {
        Some("has no certificate (-----BEGIN CERTIFICATE-----)")
    } else if text.contains("ENCRYPTED") && !has_key {
        Some("has a private key with a password")
    } else if !has_key {
        Some("has no RSA private key (-----BEGIN PRIVATE KEY-----)")
    } else {
        None
    };
    let Some(error) = error else { return Some(secret) };
    let help = "put the certificate and its RSA private key, without a password, into one PEM text";
    value.refuse(format!("client_certificate: {source} {error}"), help);
    None
}
