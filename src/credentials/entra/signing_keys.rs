//! The keys with which Entra signs ID tokens, and the issuer that it signs as. They are cached for
//! a day and fetched again when a token names an unknown key, since Entra rotates its keys.
//!
//! Sources: OpenID Connect Discovery §4; RFC 7517; Microsoft Learn, "Signing key rollover". Keys
//! come only from the configured authority.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use url::Url;

use super::app::Authority;
use super::error::Error;
use super::response::Response;
use crate::clock::Clock;
use crate::domain::time::Timestamp;

/// After this, a key that Entra has withdrawn is not trusted any more.
const CACHE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// The least time between two fetches, however many tokens name unknown keys.
const FETCH_INTERVAL_MIN: Duration = Duration::from_secs(60);

/// See the module. Clones share the cache.
#[derive(Clone, Debug, Default)]
pub(super) struct SigningKeys(Arc<Mutex<Option<Fetched>>>);

/// The key that a token names, and the issuer that signs with it.
#[derive(Clone, Debug)]
pub(super) struct SigningKey {
    pub(super) issuer: String,
    pub(super) key: DecodingKey,
}

#[derive(Debug)]
struct Fetched {
    issuer: String,
    keys: Vec<(String, DecodingKey)>,
    at: Timestamp,
}

impl Fetched {
    fn find(&self, id: &str) -> Option<SigningKey> {
        let (_, key) = self.keys.iter().find(|(known, _)| known == id)?;
        Some(SigningKey { issuer: self.issuer.clone(), key: key.clone() })
    }
}

impl SigningKeys {
    /// The key of this id. Concurrent callers wait for one fetch.
    pub(super) async fn find(
        &self,
        id: &str,
        http: &reqwest::Client,
        authority: &Authority,
        clock: &Clock,
    ) -> Result<SigningKey, Error> {
        let mut cache = self.0.lock().await;
        let age = cache.as_ref().map(|fetched| clock.now().since(fetched.at));
        let found = cache.as_ref().and_then(|fetched| fetched.find(id));
        if let (Some(found), Some(age)) = (found, age)
            && age < CACHE_MAX
        {
            return Ok(found);
        }
        if age.is_none_or(|age| age >= FETCH_INTERVAL_MIN) {
            *cache = Some(fetch(http, authority, clock.now()).await?);
        }
        let found = cache.as_ref().and_then(|fetched| fetched.find(id));
        found
            .ok_or_else(|| Error::invalid_id_token("Entra does not publish the key that signed it"))
    }
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

async fn fetch(
    http: &reqwest::Client,
    authority: &Authority,
    now: Timestamp,
) -> Result<Fetched, Error> {
    let url = authority.at(&["v2.0", ".well-known", "openid-configuration"]);
    let response = Response::to(http.get(url)).await?;
    let document = if response.status == StatusCode::NOT_FOUND {
        Document {
            issuer: authority.at(&["v2.0"]).into(),
            jwks_uri: authority.at(&["discovery", "v2.0", "keys"]).into(),
        }
    } else {
        json::<Document>(&response)?
    };
    let is_at_authority = |url: &Url| url.origin() == authority.url.origin();
    let Some(url) = Url::parse(&document.jwks_uri).ok().filter(is_at_authority) else {
        return Err(Error::unexpected("its signing keys are at another host"));
    };
    let set = json::<KeySet>(&Response::to(http.get(url)).await?)?;
    let usable = |key: Key| key.usable(&document.issuer, &authority.tenant_id);
    let keys = set.keys.into_iter().filter_map(usable).collect();
    Ok(Fetched { issuer: document.issuer, keys, at: now })
}

fn json<T: DeserializeOwned>(response: &Response) -> Result<T, Error> {
    match response.status {
        _ if response.is_unavailable() => Err(response.unavailable()),
        status if status.is_client_error() => {
            Err(Error::unexpected(format!("it answers {status} instead of its signing keys")))
        }
        _ => response.json(),
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

/// A published key (RFC 7517 §4). `issuer` is an addition of Microsoft.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Key {
    kty: String,
    kid: String,
    n: String,
    e: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    issuer: Option<String>,
}

impl Key {
    /// The key, if it is an RSA key with which `issuer` signs. The set of a tenant also contains
    /// keys of other issuers, such as the one for personal accounts.
    fn usable(self, issuer: &str, tenant_id: &str) -> Option<(String, DecodingKey)> {
        let signs = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let is_of_issuer = self
            .issuer
            .as_deref()
            .is_none_or(|of_key| of_key.replace("{tenantid}", tenant_id) == issuer);
        if self.kty != "RSA" || self.kid.is_empty() || !signs || !is_of_issuer {
            return None;
        }
        Some((self.kid, DecodingKey::from_rsa_components(&self.n, &self.e).ok()?))
    }
}
