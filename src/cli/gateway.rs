//! The gateway that a command calls: the running one, or, where none runs, a server in this process
//! on the same store. That server has no workers.

use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;

use super::Common;
use super::output::say;
use super::table::text;
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::audit::Via;
use crate::secret::{RootKey, Secret};
use crate::server::{self, ApiToken, Components, Role};
use crate::storage::Claim;
use crate::worker::Tick;

const ANSWER_MAX: Duration = Duration::from_secs(30);
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Gateway {
    http: reqwest::Client,
    url: String,
    token: Secret,
    /// The server in this process, where no gateway runs.
    local: Option<Local>,
}

struct Local {
    server: actix_web::dev::ServerHandle,
    components: Components,
}

impl Gateway {
    /// Connects to the gateway, makes a call, and disconnects whatever the result.
    pub(super) async fn with<T>(
        common: &Common,
        call: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let gateway = Self::connect(common).await?;
        let result = call(&gateway).await;
        gateway.close().await;
        result
    }

    /// Makes one call and prints the answer: as JSON where that is asked for, else with `print`.
    pub(super) async fn print(
        common: &Common,
        method: Method,
        path: &str,
        print: impl FnOnce(&Value),
    ) -> anyhow::Result<ExitCode> {
        let answer = Self::with(common, async |gateway| gateway.call(method, path).await).await?;
        if common.json {
            say!("{answer:#}");
        } else {
            print(&answer);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Whether a gateway runs.
    pub(super) fn is_running(&self) -> bool {
        self.local.is_none()
    }

    /// The names of all organizations, or this one.
    pub(super) async fn organizations(&self, only: Option<&str>) -> anyhow::Result<Vec<String>> {
        if let Some(name) = only {
            return Ok(vec![name.to_owned()]);
        }
        let all = self.get("/v1/organizations").await?;
        let items = all.get("items").and_then(Value::as_array);
        Ok(items.into_iter().flatten().map(|item| text(item, "name")).collect())
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path).await
    }

    /// The JSON of the answer; null where it has no body.
    pub(super) async fn call(&self, method: Method, path: &str) -> anyhow::Result<Value> {
        let request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(self.token.expose());
        let response = request.send().await.context("the gateway does not answer")?;
        let status = response.status();
        if status == reqwest::StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let answer: Value =
            response.json().await.context("the answer of the gateway is not JSON")?;
        if !status.is_success() {
            let detail = answer.get("detail").and_then(Value::as_str).unwrap_or("no explanation");
            bail!("{detail} ({status})");
        }
        Ok(answer)
    }

    /// Runs the passes of these reconcilers of an organization that are due, where no gateway runs.
    pub(super) async fn run_passes(
        &self,
        organization: &str,
        reconcilers: &[&str],
    ) -> anyhow::Result<()> {
        if let Some(Local { components, .. }) = &self.local {
            let organization = components.organizations.find(organization).unwrap_or(organization);
            if let Some(all) = components.reconcilers.get(organization) {
                let ticks: [&dyn Tick; 2] = [&*all.subscriptions, &*all.policies];
                for tick in ticks.into_iter().filter(|tick| reconcilers.contains(&tick.name())) {
                    tick.tick().await.map_err(anyhow::Error::msg)?;
                }
            }
        }
        Ok(())
    }

    /// The running gateway that the configuration describes, or a server in this process.
    async fn connect(common: &Common) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_MAX)
            .build()?;
        let given = std::env::var("AZDO_GATEWAY_TOKEN").ok().map(Secret::new);
        if let (Some(url), Some(token)) = (&common.url, &given) {
            let url = url.trim_end_matches('/').to_owned();
            return Ok(Self { http, url, token: token.clone(), local: None });
        }
        let config = common.load()?;
        let url = match &common.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", config.server.listen),
        };
        let is_running = match http.get(format!("{url}/livez")).send().await {
            Ok(_) => true,
            Err(error) if error.is_connect() && common.url.is_none() => false,
            Err(error) => bail!("the gateway at {url} does not answer: {error}"),
        };
        if !is_running {
            return Self::start(http, config).await;
        }
        let operator = |known: &&ApiToken| known.role == Role::Operator;
        let token = given
            .or_else(|| config.api_tokens.iter().find(operator).map(|known| known.token.clone()))
            .context("set AZDO_GATEWAY_TOKEN, or add an [[api_token]] with role = \"operator\"")?;
        Ok(Self { http, url, token, local: None })
    }

    async fn start(http: reqwest::Client, mut config: Config) -> anyhow::Result<Self> {
        let token = RootKey::generate().context("no random numbers are available")?.to_base64();
        config.api_tokens.push(ApiToken {
            name: "command line".into(),
            role: Role::Operator,
            token: token.clone(),
            via: Via::CommandLine,
        });
        let store = app::open(&config.storage)?;
        // Makes lists show what a gateway that was killed received last; nothing is leased.
        let none = Claim { now: Clock::system().now(), limit: 0, lease: Duration::ZERO };
        if let Err(error) = store.claim_deliveries(none).await {
            eprintln!("warning: lists lack the deliveries that were received last: {error}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot bind loopback")?;
        let url = format!("http://{}", listener.local_addr()?);
        let components = app::components(&config, store).await?;
        // Without a pass a reconciler has no outcome that the command could wait for.
        for reconcilers in components.reconcilers.values() {
            reconcilers.begin().await?;
        }
        let server = server::serve(&components, listener, 1)?;
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { http, url, token, local: Some(Local { server: handle, components }) })
    }

    /// Stops the server in this process, if there is one, and closes its store.
    async fn close(self) {
        if let Some(Local { server, components }) = self.local {
            server.stop(false).await;
            // Revokes tokens that were minted ahead and not used.
            let sources = components.identities.sources();
            let closing = join_all(sources.iter().map(|source| source.pause()));
            drop(tokio::time::timeout(CLOSE_MAX, closing).await);
            components.deps.store.close(CLOSE_MAX).await;
        }
    }
}
