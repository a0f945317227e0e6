//! Access tokens of the identity that Azure gives to the machine, from its metadata service. No
//! secret is involved: every process on the machine may ask.
//!
//! Source: Microsoft Learn, "How to use managed identities on an Azure VM to acquire an access
//! token".

use url::Url;

use super::advice::{Context, Remedy};
use super::app::{App, Authority};
use super::error::Error;
use super::response::Response;
use super::scopes::AZURE_DEVOPS;
use super::token_endpoint::{Tokens, tokens};
use crate::clock::Clock;

const API_VERSION: &str = "2018-02-01";

/// Requests a token from the metadata service at `endpoint`, normally `http://169.254.169.254`;
/// `client_id` chooses among several identities.
///
/// # Errors
/// There is no metadata service, or the machine has no such identity.
pub async fn managed_identity(
    http: &reqwest::Client,
    endpoint: &Url,
    client_id: Option<&str>,
    clock: &Clock,
) -> Result<Tokens, Error> {
    let mut url = endpoint.clone();
    url.set_path("/metadata/identity/oauth2/token");
    url.query_pairs_mut()
        .append_pair("api-version", API_VERSION)
        .append_pair("resource", AZURE_DEVOPS);
    if let Some(client_id) = client_id {
        url.query_pairs_mut().append_pair("client_id", client_id);
    }
    // The service refuses requests without this header: a forged redirect could not set it.
    let request = http.get(url).header("Metadata", "true");
    let requested_at = clock.now();
    let response = Response::to(request).await?;
    // 404 and 410 mean that the service is starting or being updated: Microsoft says to try again.
    if matches!(response.status.as_u16(), 404 | 410) {
        return Err(response.unavailable());
    }
    let client_id = client_id.unwrap_or_default().to_owned();
    let app =
        App { authority: Authority { url: endpoint.clone(), tenant_id: String::new() }, client_id };
    tokens(&response, requested_at, &Context { app: &app, organization: None }, &[])
        .map_err(with_advice)
}

/// The service refuses for one reason only: the machine does not have the identity.
fn with_advice(error: Error) -> Error {
    let Error::Refused(mut refusal) = error else { return error };
    refusal.remedy = Remedy::Configuration;
    refusal.advice = "this machine has no such managed identity; assign one to it in the Azure \
                      portal (Identity), or correct client_id in [organization.credential]"
        .to_owned();
    Error::Refused(refusal)
}
