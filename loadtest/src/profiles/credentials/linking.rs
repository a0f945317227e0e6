//! Linking the service user as an operator's browser does it: to the gateway, to Entra, and back.
//! It must never see a token of Azure DevOps.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use url::{Position, Url};

use crate::caller::Caller;
use crate::gateway::OPERATOR;
use crate::response::Response;

const FOUND: u16 = 302;

/// Signs in whoever is signed in to Entra.
pub(crate) async fn link(gateway: SocketAddr, organization: &str) -> anyhow::Result<()> {
    let operator = Caller::with_token(gateway, OPERATOR);
    let begun = operator.open(&format!("/connect/{organization}")).await?;
    let authorize = redirect(&begun).context("the gateway does not begin")?;
    let cookie = begun.cookie.context("the gateway gives no cookie")?;
    let entra = authorize.socket_addrs(|| None)?.first().copied().context("Entra is nowhere")?;
    let signed_in = Caller::new(entra).open(path(&authorize)).await?;
    let back = redirect(&signed_in).context("Entra does not lead back")?;
    let linked = Caller::with_cookie(gateway, &cookie).open(path(&back)).await?;
    let text = String::from_utf8_lossy(&linked.body);
    ensure!(linked.status == 200, "nobody was linked, {}: {text}", linked.status);
    Ok(())
}

fn redirect(response: &Response) -> anyhow::Result<Url> {
    let text = String::from_utf8_lossy(&response.body);
    ensure!(response.status == FOUND, "answered {}: {text}", response.status);
    Ok(Url::parse(response.location.as_deref().context("a redirect to nowhere")?)?)
}

/// With its query.
fn path(url: &Url) -> &str {
    &url[Position::BeforePath..Position::AfterQuery]
}
