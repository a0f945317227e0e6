//! How a command asks the gateway: the running one over HTTP; where none runs, the store itself,
//! through the same API served to this process alone. It must never start a worker.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Common;
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::secret::{RootKey, Secret};
use crate::server::{self, ApiToken, Components, Role};
use crate::storage::Claim;
use crate::worker::Tick;

const ANSWER_MAX: Duration = Duration::from_secs(30);
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// A gateway to ask.
pub(super) struct Gateway {
    http: reqwest::Client,
    url: String,
    token: Secret,
    /// Set when we serve the store ourselves.
    own: Option<Own>,
}

struct Own {
    server: actix_web::dev::ServerHandle,
    components: Components,
}

impl Gateway {
    /// The running gateway that the configuration describes, or the store where none runs.
    pub(super) async fn reach(common: &Common) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_MAX)
            .build()?;
        let given = std::env::var("AZDO_GATEWAY_TOKEN").ok().map(Secret::new);
        if let (Some(url), Some(token)) = (&common.url, &given) {
            let url = url.trim_end_matches('/').to_owned();
            return Ok(Self { http, url, token: token.clone(), own: None });
        }
        let config = common.load()?;
        let url = match &common.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", config.server.listen),
        };
        let is_there = match http.get(format!("{url}/livez")).send().await {
            Ok(_) => true,
            Err(error) if error.is_connect() && common.url.is_none() => false,
            Err(error) => bail!("the gateway at {url} does not answer: {error}"),
        };
        if !is_there {
            return Self::own(http, config).await;
        }
        let operator = |known: &&ApiToken| known.role == Role::Operator;
        let token = given
            .or_else(|| config.api_tokens.iter().find(operator).map(|known| known.token.clone()))
            .context("set AZDO_GATEWAY_TOKEN, or add an [[api_token]] with role = \"operator\"")?;
        Ok(Self { http, url, token, own: None })
    }

    async fn own(http: reqwest::Client, mut config: Config) -> anyhow::Result<Self> {
        let token = RootKey::generate().context("no randomness")?.to_base64();
        config.api_tokens.push(ApiToken {
            name: "command line".into(),
            role: Role::Operator,
            token: token.clone(),
        });
        let store = app::open(&config.storage)?;
        // Makes lists show what a gateway that was killed received last; nothing is leased.
        let none = Claim { now: Clock::system().now(), limit: 0, lease: Duration::ZERO };
        if let Err(error) = store.claim_deliveries(none).await {
            eprintln!("warning: lists lack the deliveries that were received last: {error}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot bind loopback")?;
        let url = format!("http://{}", listener.local_addr()?);
        let components = app::components(&config, store, CancellationToken::new()).await?;
        // Without a pass a reconciler has no outcome that the command could wait for.
        for reconcilers in components.reconcilers.values() {
            reconcilers.begin().await?;
        }
        let server = server::serve(&components, listener, 1)?;
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { http, url, token, own: Some(Own { server: handle, components }) })
    }

    /// Whether it is a gateway that runs, and not the store alone.
    pub(super) fn is_running(&self) -> bool {
        self.own.is_none()
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path).await
    }

    pub(super) async fn post(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::POST, path).await
    }

    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.call(Method::DELETE, path).await.map(drop)
    }

    /// A deletion that is answered.
    pub(super) async fn remove(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path).await
    }

    /// Runs the passes of an organization that were asked for, where no gateway runs.
    pub(super) async fn work_off(&self, organization: &str) -> anyhow::Result<()> {
        if let Some(Own { components, .. }) = &self.own {
            let organization = components.organizations.find(organization).unwrap_or(organization);
            if let Some(reconcilers) = components.reconcilers.get(organization) {
                reconcilers.subscriptions.tick().await.map_err(anyhow::Error::msg)?;
                reconcilers.policies.tick().await.map_err(anyhow::Error::msg)?;
            }
        }
        Ok(())
    }

    async fn call(&self, method: Method, path: &str) -> anyhow::Result<Value> {
        let request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(self.token.expose());
        let response = request.send().await.context("the gateway does not answer")?;
        let status = response.status();
        if status == reqwest::StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let answer: Value = response.json().await.context("the gateway answers no JSON")?;
        if !status.is_success() {
            let detail = answer.get("detail").and_then(Value::as_str).unwrap_or("no explanation");
            bail!("{detail} ({status})");
        }
        Ok(answer)
    }

    /// Lets the store go again, if it was ours.
    pub(super) async fn close(self) {
        if let Some(Own { server, components }) = self.own {
            server.stop(false).await;
            // What was minted for calls to Azure DevOps and not spent is worth nothing any more.
            let sources = components.identities.sources();
            let closing = join_all(sources.iter().map(|source| source.pause()));
            drop(tokio::time::timeout(CLOSE_MAX, closing).await);
            components.deps.store.close(CLOSE_MAX).await;
        }
    }
}
