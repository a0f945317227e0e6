//! Cookies: one of a request, and the attributes of those that the gateway sets.

use actix_web::http::header::{self, HeaderMap};
use url::Url;

use crate::secret::Secret;

/// The value of a cookie.
pub(super) fn read(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let pairs = headers
        .get_all(header::COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    let mut values = pairs.filter_map(|pair| pair.trim().split_once('='));
    let found = values.find(|(found, _)| *found == name);
    found.map(|(_, value)| Secret::new(value.to_owned()))
}

/// The header that sets a cookie for the paths below `path` of the gateway at `public_url`. An age
/// of 0 removes it.
///
/// `SameSite=Lax`, because a link at another site has to carry the cookie, such as the redirect
/// from Entra, while requests that other sites make must not.
pub(super) fn written(
    public_url: &Url,
    path: &str,
    name: &str,
    value: &Secret,
    age_s: u64,
) -> String {
    let secure = if public_url.scheme() == "https" { "; Secure" } else { "" };
    let base = public_url.path().trim_end_matches('/');
    let value = value.expose();
    format!("{name}={value}; Path={base}{path}; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}")
}
