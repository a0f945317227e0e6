//! The gateway that a command calls: the running one, or, where none runs, a server in this process
//! on the same store. That server has no workers.
//!
//! Anybody on this machine can listen at the address of a gateway that does not run. So what
//! answers there has to prove that it has the root key before it is sent a token. With `--url` the
//! person who gives it decides: https is trusted, and http only on this machine.

use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use reqwest::{ClientBuilder, Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::change_stream::ChangeStream;
use super::output::say;
use super::progress::while_waiting;
use super::table::text;
use super::{Common, Usage};
use crate::clock::Clock;
use crate::config::{Config, is_loopback};
use crate::domain::audit::Via;
use crate::secret::{Keyring, RootKey, Secret};
use crate::server::{self, ApiToken, Components, Role};
use crate::storage::Claim;
use crate::worker::Tick;
use crate::{ado, app};

const ANSWER_MAX: Duration = Duration::from_secs(30);
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// A stream of changes that is open for so long is begun anew.
const STREAM_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Connections of the command to the server in its own process.
const CONNECTIONS_MAX: usize = 100;

/// See the module.
pub(super) struct Gateway {
    http: reqwest::Client,
    url: String,
    token: Secret,
    /// With what the gateway at `server.listen` has to prove itself.
    proves_with: Option<Keyring>,
    /// The server in this process, where no gateway runs.
    local: Option<Local>,
}

/// What answers the call of a command that the gateway refuses: the same call stays refused.
#[derive(Debug, thiserror::Error)]
#[error("{detail} ({status})")]
pub(super) struct Refused {
    status: StatusCode,
    detail: String,
}

enum Found {
    Running(Box<Gateway>),
    /// Nothing listens where it should run.
    Nothing(reqwest::Client, Box<Config>),
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

    /// Has it prove itself again, since another process may have taken its address meanwhile.
    async fn prove(&self) -> anyhow::Result<()> {
        match &self.proves_with {
            Some(keys) => prove(&self.http, &self.url, keys).await,
            None => Ok(()),
        }
    }

    /// The JSON of the answer; null where it has no body.
    pub(super) async fn call(&self, method: Method, path: &str) -> anyhow::Result<Value> {
        self.prove().await?;
        let answer = async {
            let response = self.send(method, path, ANSWER_MAX).await?;
            if response.status() == StatusCode::NO_CONTENT {
                return Ok(Value::Null);
            }
            response.json().await.context("the answer of the gateway is not JSON")
        };
        while_waiting("waiting for the gateway", answer).await
    }

    /// What changes from now on.
    pub(super) async fn changes(&self) -> anyhow::Result<ChangeStream> {
        self.prove().await?;
        Ok(ChangeStream::new(self.send(Method::GET, "/v1/changes", STREAM_MAX).await?))
    }

    /// The answer to a call that is not refused.
    async fn send(
        &self,
        method: Method,
        path: &str,
        answer_max: Duration,
    ) -> anyhow::Result<reqwest::Response> {
        let request = self.http.request(method, format!("{}{path}", self.url)).timeout(answer_max);
        let response = request.bearer_auth(self.token.expose()).send().await;
        let response =
            response.with_context(|| format!("the gateway at {} does not answer", self.url))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let answer: Value =
            response.json().await.context("the answer of the gateway is not JSON")?;
        let detail = answer.get("detail").and_then(Value::as_str).unwrap_or("no explanation");
        let refused = Refused { status, detail: detail.to_owned() };
        // What is wrong on the side of the gateway passes.
        if status.is_client_error() { bail!(refused) } else { bail!("{refused}") }
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
        match Self::find(common).await? {
            Found::Running(gateway) => Ok(*gateway),
            // It composes a whole gateway, which every command would carry.
            Found::Nothing(http, config) => Box::pin(Self::start(http, *config)).await,
        }
    }

    /// The running gateway, if there is one.
    pub(super) async fn running(common: &Common) -> anyhow::Result<Option<Self>> {
        Ok(match Self::find(common).await? {
            Found::Running(gateway) => Some(*gateway),
            Found::Nothing(..) => None,
        })
    }

    async fn find(common: &Common) -> anyhow::Result<Found> {
        let given = std::env::var("AZDO_GATEWAY_TOKEN").ok().map(Secret::new);
        if let Some(url) = &common.url {
            let (url, http) = trusted("--url", url)?;
            let token = match given {
                Some(token) => token,
                None => operator_token(&common.load()?)?,
            };
            let gateway = Self { http, url, token, proves_with: None, local: None };
            return Ok(Found::Running(Box::new(gateway)));
        }
        let config = common.load()?;
        // What the configuration names is on this machine or beside it: no proxy is asked.
        let http = client(reqwest::Client::builder().no_proxy())?;
        let url = format!("http://{}", config.server.listen);
        let keys = config.secrets.clone();
        match prove(&http, &url, &keys).await {
            Ok(()) => {}
            Err(error) if is_refused_connection(&error) => {
                return Ok(Found::Nothing(http, Box::new(config)));
            }
            Err(error) => return Err(error),
        }
        let token = given.map_or_else(|| operator_token(&config), Ok)?;
        let gateway = Self { http, url, token, proves_with: Some(keys), local: None };
        Ok(Found::Running(Box::new(gateway)))
    }

    async fn start(http: reqwest::Client, mut config: Config) -> anyhow::Result<Self> {
        let token = RootKey::generate().context("no random numbers are available")?.to_base64();
        config.api_tokens.push(ApiToken {
            labels: None,
            name: "command line".into(),
            role: Role::Operator,
            token: token.clone(),
            via: Via::CommandLine,
        });
        let instance_id = app::instance_id()?;
        let store = app::open(&config.storage, &instance_id);
        let store = while_waiting("opening the database", store).await?;
        // Makes lists show what a gateway that was killed received last; nothing is leased.
        let none = Claim { now: Clock::system().now(), limit: 0, lease: Duration::ZERO };
        if let Err(error) = store.claim_deliveries(none).await {
            eprintln!("warning: lists lack the deliveries that were received last: {error}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot bind loopback")?;
        let url = format!("http://{}", listener.local_addr()?);
        let components = app::components(&config, store, instance_id).await?;
        // Without a pass a reconciler has no outcome that the command could wait for.
        for reconcilers in components.reconcilers.values() {
            reconcilers.begin().await?;
        }
        let server = server::serve(&components, listener, 1, CONNECTIONS_MAX)?;
        let handle = server.handle();
        tokio::spawn(server);
        let local = Some(Local { server: handle, components });
        Ok(Self { http, url, token, proves_with: None, local })
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

fn client(builder: ClientBuilder) -> reqwest::Result<reqwest::Client> {
    builder.redirect(reqwest::redirect::Policy::none()).timeout(ANSWER_MAX).build()
}

/// The address that `name` gives, such as `--url`, if a token may be sent there, and a client for
/// it.
pub(super) fn trusted(name: &str, given: &str) -> anyhow::Result<(String, reqwest::Client)> {
    let url = Url::parse(given)
        .map_err(|error| Usage(format!("{name} {given} is not an address: {error}")))?;
    let is_trusted = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    if !is_trusted {
        bail!(Usage(format!(
            "{name} {given} would carry a token unencrypted over the network: give the https \
             address of the gateway, or http on this machine; the token was not sent"
        )));
    }
    let http = client(ado::use_proxies(reqwest::Client::builder())?)?;
    Ok((given.trim_end_matches('/').to_owned(), http))
}

fn operator_token(config: &Config) -> anyhow::Result<Secret> {
    let mut tokens = config.api_tokens.iter();
    let operator = tokens.find(|known| known.role == Role::Operator);
    let missing = "set AZDO_GATEWAY_TOKEN, or add an [[api_token]] with role = \"operator\"";
    Ok(operator.map(|known| known.token.clone()).ok_or_else(|| Usage(missing.to_owned()))?)
}

/// Has what listens at `url` prove that it is the gateway of these keys.
async fn prove(http: &reqwest::Client, url: &str, keys: &Keyring) -> anyhow::Result<()> {
    let challenge = challenge()?;
    let asked = http.get(format!("{url}/v1/proof/{challenge}")).send().await;
    let answer = asked.with_context(|| format!("the gateway at {url} does not answer"))?;
    let address = answer.remote_addr();
    let answer: Value = answer.json().await.unwrap_or_default();
    let proof = answer.get("proof").and_then(Value::as_str).unwrap_or_default();
    if address.is_some_and(|address| keys.verifies_gateway(&challenge, address, proof)) {
        return Ok(());
    }
    bail!(
        "what answers at {url} does not prove that it is the gateway of this configuration: it is \
         another program, or has another root key; the token was not sent. If the gateway is \
         reached in another way, name its address with --url"
    )
}

/// Random text, which is used once.
fn challenge() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("no random numbers are available")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether nothing listens at the address.
fn is_refused_connection(error: &anyhow::Error) -> bool {
    error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect)
}
