//! A token for the identity that Azure gives to this machine. No secret is involved: whoever runs
//! here may ask.
//!
//! Source: Microsoft Learn, "How to use managed identities on an Azure VM to acquire an access
//! token". It must never be pointed at an address from outside: it answers with a token.

use url::Url;

use super::answer::Answer;
use super::{AZURE_DEVOPS, App, Authority, Context, Error, Tokens, token};
use crate::clock::Clock;

const API_VERSION: &str = "2018-02-01";

/// Asks the metadata service at `endpoint`, normally `http://169.254.169.254`; `client_id` chooses
/// among several identities.
///
/// # Errors
/// There is no metadata service, or it has no such identity.
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
    // Without this header the service takes the request for one that somebody tricked us into.
    let request = http.get(url).header("Metadata", "true");
    let asked_at = clock.now();
    let answer = Answer::of(request).await?;
    // 404 and 410 mean that the service is being set up or updated: Microsoft says to try again.
    if matches!(answer.status.as_u16(), 404 | 410) {
        return Err(answer.busy());
    }
    let client_id = client_id.unwrap_or_default().to_owned();
    let app =
        App { authority: Authority { url: endpoint.clone(), tenant_id: String::new() }, client_id };
    token::understand(&answer, asked_at, &Context { app: &app, organization: None }, &[])
        .map_err(assigned)
}

/// Of what this service refuses, all comes down to which identity the machine has.
fn assigned(error: Error) -> Error {
    let Error::Refused(mut refusal) = error else { return error };
    refusal.remedy = super::Remedy::Configuration;
    refusal.advice = "this machine has no such managed identity; assign one to it in the Azure \
                      portal (Identity), or correct client_id in [organization.credential]"
        .to_owned();
    Error::Refused(refusal)
}
