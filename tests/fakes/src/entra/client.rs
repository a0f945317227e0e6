//! Which application is calling the token endpoint, and its authentication.
//!
//! Exactly one credential is required: a secret in the form, a secret in the header, or an
//! assertion.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::refusal::OAuthError;
use super::world::World;
use crate::http::{Request, percent_decoded};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The fields of a form.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// The body as a form; none when its content type is another, or a field is there twice.
    pub(super) fn read(request: &Request) -> Option<Self> {
        let media = request.header("content-type").unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return None;
        }
        let mut pairs: Vec<_> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let count = pairs.len();
        pairs.sort();
        pairs.dedup_by(|one, other| one.0 == other.0);
        (pairs.len() == count).then_some(Self(pairs))
    }

    /// A field; none when it is missing or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// A required field.
    pub(super) fn need(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::invalid_request(900_144))
    }
}

impl World {
    /// The client id of the caller, once it is authenticated.
    pub(super) fn client(&self, request: &Request, form: &Form) -> Result<String, OAuthError> {
        let basic = basic(request);
        let in_header = basic.as_ref().map(|(id, _)| id.as_str());
        let client_id = in_header.or(form.get("client_id"));
        let client_id = client_id.ok_or_else(|| OAuthError::invalid_request(900_144))?;
        let unknown = || OAuthError::new(400, "unauthorized_client", 700_016);
        let app = self.apps.get(client_id).ok_or_else(unknown)?;
        let secret = form.get("client_secret");
        let secret = basic.as_ref().map(|(_, secret)| secret.as_str()).or(secret);
        match (secret, form.get("client_assertion")) {
            (Some(secret), None) => {
                let found = app.secrets.iter().find(|one| one.text == secret);
                match found {
                    None => return Err(OAuthError::invalid_client(7_000_215)),
                    Some(one) if one.is_expired => {
                        return Err(OAuthError::invalid_client(7_000_222));
                    }
                    Some(_) => {}
                }
            }
            (None, Some(assertion)) => {
                if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
                    return Err(OAuthError::invalid_request(900_144));
                }
                let audience = format!("{}/oauth2/v2.0/token", self.authority(request));
                super::assertion::check(app, client_id, assertion, &audience, self.now_ms)?;
            }
            _ => return Err(OAuthError::invalid_client(7_000_218)),
        }
        Ok(client_id.to_owned())
    }
}

/// Client id and secret in the header, where both are form-encoded (RFC 6749, 2.3.1).
fn basic(request: &Request) -> Option<(String, String)> {
    let encoded = request.header("authorization")?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((percent_decoded(id), percent_decoded(secret)))
}
