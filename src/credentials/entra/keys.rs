//! The keys with which Entra signs ID tokens, and the issuer that it signs as. Both are fetched,
//! kept for a day, and fetched again when a key is not among them: Entra rolls its keys.
//!
//! Sources: OpenID Connect Discovery §4; RFC 7517; Microsoft Learn, "Signing key rollover". It must
//! never take keys from anywhere but the configured authority, nor fetch as often as it is asked.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use url::Url;

use super::answer::Answer;
use super::{Authority, Error};
use crate::clock::Clock;
use crate::domain::time::Timestamp;

/// After this a key that Entra has withdrawn is trusted no more.
const KEPT_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Tokens that name unknown keys make us fetch no more often than this.
const REFETCH_LEAST: Duration = Duration::from_secs(60);

/// See the module. Clones share what was fetched.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Arc<Mutex<Option<Fetched>>>);

/// The key that a token names, and who may have signed with it.
#[derive(Clone, Debug)]
pub(super) struct Trusted {
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
    fn trusted(&self, id: &str) -> Option<Trusted> {
        let (_, key) = self.keys.iter().find(|(known, _)| known == id)?;
        Some(Trusted { issuer: self.issuer.clone(), key: key.clone() })
    }
}

impl Keys {
    /// The key of this id. Whoever asks meanwhile waits for the same answer.
    pub(super) async fn find(
        &self,
        id: &str,
        http: &reqwest::Client,
        authority: &Authority,
        clock: &Clock,
    ) -> Result<Trusted, Error> {
        let mut kept = self.0.lock().await;
        let age = kept.as_ref().map(|fetched| clock.now().since(fetched.at));
        let found = kept.as_ref().and_then(|fetched| fetched.trusted(id));
        if let (Some(found), Some(age)) = (found, age)
            && age < KEPT_MAX
        {
            return Ok(found);
        }
        if age.is_none_or(|age| age >= REFETCH_LEAST) {
            *kept = Some(fetch(http, authority, clock.now()).await?);
        }
        let found = kept.as_ref().and_then(|fetched| fetched.trusted(id));
        found.ok_or_else(|| Error::forged("it is signed with a key that Entra does not show"))
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
    let answer = Answer::of(http.get(url)).await?;
    let document = if answer.status == StatusCode::NOT_FOUND {
        Document {
            issuer: authority.at(&["v2.0"]).into(),
            jwks_uri: authority.at(&["discovery", "v2.0", "keys"]).into(),
        }
    } else {
        good::<Document>(&answer)?
    };
    let here = |url: &Url| url.origin() == authority.url.origin();
    let Some(url) = Url::parse(&document.jwks_uri).ok().filter(here) else {
        return Err(Error::answer("it wants its keys to be fetched from somewhere else"));
    };
    let set = good::<KeySet>(&Answer::of(http.get(url)).await?)?;
    let usable = |key: Key| key.usable(&document.issuer, &authority.tenant_id);
    let keys = set.keys.into_iter().filter_map(usable).collect();
    Ok(Fetched { issuer: document.issuer, keys, at: now })
}

fn good<T: DeserializeOwned>(answer: &Answer) -> Result<T, Error> {
    match answer.status {
        _ if answer.is_busy() => Err(answer.busy()),
        status if status.is_client_error() => {
            Err(Error::answer(format!("it answers {status} where its keys should be")))
        }
        _ => answer.json(),
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

/// One key as it is published (RFC 7517 §4). `issuer` is an addition of Microsoft.
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
    /// An RSA key for signatures. The set of a tenant also shows keys of other issuers, such as the
    /// one for personal accounts: those must not sign for this tenant.
    fn usable(self, issuer: &str, tenant_id: &str) -> Option<(String, DecodingKey)> {
        let signs = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let ours = self
            .issuer
            .as_deref()
            .is_none_or(|of_key| of_key.replace("{tenantid}", tenant_id) == issuer);
        if self.kty != "RSA" || self.kid.is_empty() || !signs || !ours {
            return None;
        }
        Some((self.kid, DecodingKey::from_rsa_components(&self.n, &self.e).ok()?))
    }
}
