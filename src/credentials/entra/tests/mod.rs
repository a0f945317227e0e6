//! A fake token endpoint on loopback: it gives scripted answers and records the requests.

mod advice;
mod client_authentication;
mod error_response;
mod id_token;
mod token_endpoint;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use actix_web::http::StatusCode;
use actix_web::{App as Web, HttpRequest, HttpResponse, HttpServer, web};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::scopes::{AZURE_DEVOPS, PAT_SCOPES};
use super::*;
use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

pub(super) const TENANT: &str = "0a1b2c3d-0000-4000-8000-00000000abcd";
pub(super) const CLIENT: &str = "c11e47c1-0000-4000-8000-000000000001";
pub(super) const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

/// A scripted answer.
#[derive(Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: vec![], body: body.to_string() }
            .with("content-type", "application/json; charset=utf-8")
    }

    pub(super) fn page(status: u16, body: &str) -> Self {
        Self { status, headers: vec![], body: body.to_owned() }.with("content-type", "text/html")
    }

    pub(super) fn refusal(code: u32, error: &str, description: &str) -> Self {
        let document = json!({ "error": error, "error_description": description,
            "error_codes": [code], "timestamp": "2026-09-21 10:13:20Z", "trace_id": "t" });
        Self::json(400, &document)
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A recorded request.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) form: BTreeMap<String, String>,
    pub(super) metadata: bool,
}

#[derive(Default)]
struct World {
    replies: BTreeMap<String, VecDeque<Reply>>,
    seen: Vec<Seen>,
}

/// See the module.
pub(super) struct Fake {
    pub(super) url: Url,
    world: Arc<Mutex<World>>,
    now: Arc<AtomicI64>,
}

impl Fake {
    pub(super) fn start() -> Self {
        let world = Arc::new(Mutex::new(World::default()));
        let recorded = Arc::clone(&world);
        let server = HttpServer::new(move || {
            let data = web::Data::from(Arc::clone(&recorded));
            Web::new().app_data(data).default_service(web::to(answer))
        });
        let server = server.workers(1).bind(("127.0.0.1", 0)).expect("loopback is there");
        let url = format!("http://{}", server.addrs()[0]).parse().expect("it is an address");
        actix_web::rt::spawn(server.run());
        Self { url, world, now: Arc::new(AtomicI64::new(NOW.micros())) }
    }

    /// Scripts the answers of a path. The last one is repeated.
    pub(super) fn on(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        let replies = replies.into_iter().collect();
        self.world.lock().expect("no test panics with it").replies.insert(path.into(), replies);
    }

    pub(super) fn on_token(&self, replies: impl IntoIterator<Item = Reply>) {
        self.on(&format!("/{TENANT}/oauth2/v2.0/token"), replies);
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.world.lock().expect("no test panics with it").seen.clone()
    }

    pub(super) fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    pub(super) fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Clock::new(move || Timestamp::from_micros(now.load(Ordering::Relaxed)))
    }

    pub(super) fn entra(&self, proof: ClientAuthentication) -> Entra {
        let app = App { authority: authority(&self.url), client_id: CLIENT.into() };
        Entra::new(http(), app, proof, self.clock()).for_organization("fabrikam")
    }
}

async fn answer(
    request: HttpRequest,
    body: web::Bytes,
    world: web::Data<Mutex<World>>,
) -> HttpResponse {
    let pairs = |bytes: &[u8]| form_urlencoded::parse(bytes).into_owned().collect();
    let path = request.path().to_owned();
    let mut world = world.lock().expect("no test panics with it");
    world.seen.push(Seen {
        path: path.clone(),
        query: pairs(request.query_string().as_bytes()),
        form: pairs(&body),
        metadata: request.headers().get("metadata").is_some_and(|value| value == "true"),
    });
    let Some(replies) = world.replies.get_mut(&path) else {
        return HttpResponse::NotFound().finish();
    };
    let reply = match replies.len() {
        1 => replies.front().cloned(),
        _ => replies.pop_front(),
    };
    let reply = reply.expect("a path has at least one answer");
    let mut response = HttpResponse::build(StatusCode::from_u16(reply.status).expect("valid"));
    for header in reply.headers {
        response.insert_header(header);
    }
    response.body(reply.body)
}

pub(super) fn http() -> reqwest::Client {
    crate::ado::http_client().expect("TLS works here")
}

pub(super) fn authority(url: &Url) -> Authority {
    Authority { url: url.clone(), tenant_id: TENANT.into() }
}

pub(super) fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

pub(super) fn granted() -> Reply {
    Reply::json(
        200,
        &json!({ "token_type": "Bearer", "expires_in": 3599,
        "access_token": "access-1", "refresh_token": "refresh-2", "id_token": "id-3" }),
    )
}

/// A key pair that is generated for this run.
pub(super) struct TestKey {
    pub(super) pem: String,
    pub(super) signing: EncodingKey,
    /// `n` and `e`.
    pub(super) public: (String, String),
}

pub(super) static VALID_KEY: LazyLock<TestKey> = LazyLock::new(TestKey::new);
pub(super) static FORGED_KEY: LazyLock<TestKey> = LazyLock::new(TestKey::new);

impl TestKey {
    fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("there is randomness");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("it has this form");
        let pem = pem("PRIVATE KEY", der.as_ref());
        let signing = EncodingKey::from_rsa_pem(pem.as_bytes()).expect("it is RSA");
        let jwk = Jwk::from_encoding_key(&signing, Algorithm::RS256).expect("it is RSA");
        let jwk = serde_json::to_value(jwk).expect("it is JSON");
        let part = |name: &str| jwk[name].as_str().expect("RSA has it").to_owned();
        Self { pem, signing, public: (part("n"), part("e")) }
    }
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}
