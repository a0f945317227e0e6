//! Whether a page of the gateway made a request, as browsers prove it: another site can have a
//! browser send a request with its cookies, but cannot choose these headers.

use actix_web::http::header::{self, HeaderMap};
use url::Url;

use super::problem::Problem;

/// Refuses what no page of the gateway at `public_url` sent.
pub(super) fn check(headers: &HeaderMap, public_url: &Url) -> Result<(), Problem> {
    let refusal = "another site sent this, or a program that does not say where it comes from: \
                   open the page of the gateway, and send it from there";
    if is_proved(headers, public_url) { Ok(()) } else { Err(Problem::forbidden(refusal)) }
}

/// Browsers that do not send `Sec-Fetch-Site` send `Origin`.
pub(super) fn is_proved(headers: &HeaderMap, public_url: &Url) -> bool {
    match (headers.get("sec-fetch-site"), headers.get(header::ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin == public_url.origin().ascii_serialization().as_str(),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_a_page_of_the_gateway_proves_it() {
        let public_url = Url::parse("https://gateway.example.com/ci").unwrap();
        let here = "https://gateway.example.com";
        for (site, origin, expected) in [
            (Some("same-origin"), None, true),
            (Some("same-origin"), Some("null"), true),
            (Some("same-site"), Some(here), false),
            (Some("cross-site"), Some(here), false),
            (Some("none"), None, false),
            (None, Some(here), true),
            (None, Some("https://gateway.example.com:444"), false),
            (None, Some("http://gateway.example.com"), false),
            (None, Some("null"), false),
            (None, None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(site) = site {
                let name = HeaderName::from_static("sec-fetch-site");
                headers.insert(name, HeaderValue::from_static(site));
            }
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(is_proved(&headers, &public_url), expected, "{site:?} {origin:?}");
        }
    }
}
