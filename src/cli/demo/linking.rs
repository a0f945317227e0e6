//! Links the service user as a person with a browser does: opens the one-time link, signs in, and
//! follows the redirect back.

use anyhow::{Context, bail};
use reqwest::{Response, header};
use serde_json::Value;

use super::fake_systems::{FakeSystems, ORGANIZATION};
use crate::secret::Secret;

/// Links the service user.
pub(super) async fn link(
    systems: &FakeSystems,
    gateway: &str,
    operator: &Secret,
) -> anyhow::Result<()> {
    let callback = format!("{gateway}/complete/azure_active_directory_service_user");
    systems.shell.entra(|entra| entra.add_redirect_uri(&systems.client_id, &callback));
    let redirects = reqwest::redirect::Policy::none();
    let browser = reqwest::Client::builder().no_proxy().redirect(redirects).build()?;
    let ticket = browser
        .post(format!("{gateway}/v1/organizations/{ORGANIZATION}/link"))
        .bearer_auth(operator.expose());
    let ticket: Value = ticket.send().await?.json().await?;
    let url = ticket.get("url").and_then(Value::as_str).context("the gateway returned no link")?;
    let begun = browser.get(url).send().await?;
    let cookie = begun.headers().get(header::SET_COOKIE).and_then(|value| value.to_str().ok());
    let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
    let cookie = cookie.context("the gateway set no cookie")?;
    let signed_in = browser.get(redirect_of(begun).await?).send().await?;
    let back = browser.get(redirect_of(signed_in).await?).header(header::COOKIE, cookie);
    let shown = back.send().await?;
    if !shown.status().is_success() {
        bail!("the service user was not linked: {}", shown.text().await?);
    }
    Ok(())
}

/// The URL that an answer redirects the browser to.
async fn redirect_of(answer: Response) -> anyhow::Result<String> {
    let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    match location {
        Some(location) => Ok(location.to_owned()),
        None => bail!("the sign-in stopped without a redirect: {}", answer.text().await?),
    }
}
