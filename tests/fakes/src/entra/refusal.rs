//! Refusals, in the shape that Entra gives them (docs/azure-devops.md §4.4).
//!
//! Programs branch on the `error`; the number is for diagnosis.

use serde_json::json;

use crate::http::Response;
use crate::random::Random;
use crate::timestamp::rfc3339;

/// A refusal of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OAuthError {
    pub(crate) status: u16,
    pub(crate) error: String,
    pub(crate) number: u32,
}

impl OAuthError {
    pub(crate) fn new(status: u16, error: &str, number: u32) -> Self {
        Self { status, error: error.to_owned(), number }
    }

    /// The grant is not valid any more: 400.
    pub(crate) fn invalid_grant(number: u32) -> Self {
        Self::new(400, "invalid_grant", number)
    }

    /// The application could not be authenticated: 401.
    pub(crate) fn invalid_client(number: u32) -> Self {
        Self::new(401, "invalid_client", number)
    }

    /// The request is malformed: 400.
    pub(crate) fn invalid_request(number: u32) -> Self {
        Self::new(400, "invalid_request", number)
    }

    /// The error document of Entra.
    pub(crate) fn response(&self, random: &mut Random, now_ms: i64) -> Response {
        let (trace, correlation) = (random.guid(), random.guid());
        let at = rfc3339(now_ms);
        let at = format!("{}Z", at.get(..19).unwrap_or_default().replace('T', " "));
        let (number, text) = (self.number, sentence(self.number));
        let body = json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{number}: {text}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\n\
                 Timestamp: {at}"
            ),
            "error_codes": [number],
            "timestamp": at,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
        });
        Response::json(self.status, &body)
    }
}

/// The text for that number. The words are not those of Entra.
pub(crate) fn sentence(number: u32) -> &'static str {
    match number {
        16000 => "The account must be chosen.",
        50011 => "The redirect URI in the request does not match those configured.",
        50020 => "The user does not exist in this tenant.",
        50053 => "The account is locked.",
        50055 => "The password is expired.",
        50057 => "The user account is disabled.",
        50058 => "No user is signed in.",
        50076 | 50079 => "You must use multi-factor authentication to access the resource.",
        50105 => "The user is not assigned to a role of the application.",
        50173 => "The provided grant has expired due to it being revoked.",
        53003 => "Access has been blocked by Conditional Access policies.",
        54005 => "The authorization code was already redeemed.",
        65001 => "The user or administrator has not consented to use the application.",
        65004 => "The user declined to consent to access the application.",
        70000 => "The provided value for the grant is not valid.",
        70003 => "The grant type is not supported.",
        70008 => "The provided authorization code or refresh token has expired.",
        70011 => "The provided value for the scope is not valid.",
        70016 => "The response type is not supported.",
        90002 => "The tenant was not found.",
        90014 | 900_144 => "A required parameter is missing.",
        90033 => "A transient error has occurred. Please try again.",
        90094 => "An administrator must consent.",
        501_481 => "The code verifier does not match the code challenge.",
        700_016 => "The application was not found in the directory.",
        700_027 => "The client assertion failed its check.",
        700_082 => "The refresh token has expired due to inactivity.",
        700_213 => "No matching federated identity record was found.",
        900_561 => "The endpoint only accepts POST requests.",
        1_002_012 => "The scope must end with /.default for client credentials.",
        7_000_215 => "Invalid client secret provided.",
        7_000_218 => "The request must contain a client assertion or a client secret.",
        7_000_222 => "The provided client secret keys are expired.",
        _ => "The request was refused.",
    }
}

/// A page with the error, where a redirect would be unsafe.
pub(crate) fn page(status: u16, number: u32) -> Response {
    let text = sentence(number);
    let page = format!(
        "<!DOCTYPE html><html><head><title>Sign in to your account</title></head>\
         <body>AADSTS{number}: {text}</body></html>"
    );
    Response::html(status, &page)
}
