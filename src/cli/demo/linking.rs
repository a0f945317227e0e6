//! Jo links the service user, as a person with a browser does: open the one-time link, sign in,
//! and be sent back. It must never do anything that a browser could not.

use anyhow::{Context, bail};
use reqwest::{Response, header};
use serde_json::Value;

use super::neighbours::{Neighbours, ORGANIZATION};
use crate::secret::Secret;

/// Signs the service user in.
pub(super) async fn link(
    neighbours: &Neighbours,
    gateway: &str,
    operator: &Secret,
) -> anyhow::Result<()> {
    let callback = format!("{gateway}/complete/azure_active_directory_service_user");
    neighbours.shell.entra(|entra| entra.add_redirect_uri(&neighbours.client_id, &callback));
    let redirects = reqwest::redirect::Policy::none();
    let browser = reqwest::Client::builder().redirect(redirects).build()?;
    let ticket = browser
        .post(format!("{gateway}/v1/organizations/{ORGANIZATION}/link"))
        .bearer_auth(operator.expose());
    let ticket: Value = ticket.send().await?.json().await?;
    let url = ticket.get("url").and_then(Value::as_str).context("the gateway gives no link")?;
    let begun = browser.get(url).send().await?;
    let cookie = begun.headers().get(header::SET_COOKIE).and_then(|value| value.to_str().ok());
    let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
    let cookie = cookie.context("the gateway sets no cookie")?;
    let signed_in = browser.get(led_to(begun).await?).send().await?;
    let back = browser.get(led_to(signed_in).await?).header(header::COOKIE, cookie);
    let shown = back.send().await?;
    if !shown.status().is_success() {
        bail!("nobody was linked: {}", shown.text().await?);
    }
    Ok(())
}

/// Where the browser is sent.
async fn led_to(answer: Response) -> anyhow::Result<String> {
    let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    match location {
        Some(location) => Ok(location.to_owned()),
        None => bail!("the sign-in goes no further: {}", answer.text().await?),
    }
}
