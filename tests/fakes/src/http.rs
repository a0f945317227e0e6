//! Requests and responses as plain values.
//!
//! Worlds take and return these, so that a test needs no socket and no web framework.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A request: the path still encoded, the query decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Upper-case method.
    pub method: String,
    /// The path as sent, still percent-encoded.
    pub path: String,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// Headers, with names in any case.
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request for `target`, which is a path with an optional query.
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        Self {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            query: pairs.collect(),
            ..Self::default()
        }
    }

    /// A request with a JSON body and its content type.
    pub fn with_json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.with_header("content-type", "application/json")
    }

    /// The same request with one more header.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same request authenticated as PATs are: Basic with an empty user
    /// (docs/azure-devops.md §4.1).
    pub fn with_pat(self, pat: &str) -> Self {
        let encoded = STANDARD.encode(format!(":{pat}"));
        self.with_header("authorization", &format!("Basic {encoded}"))
    }

    /// The same request authenticated by a bearer token.
    pub fn with_bearer(self, token: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    /// The first header of that name, compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        first_named(&self.headers, name)
    }

    /// The first query value of that name, compared without case as ADO does.
    pub fn query(&self, name: &str) -> Option<&str> {
        first_named(&self.query, name)
    }

    /// The path's segments, decoded, without the empty ones.
    pub fn segments(&self) -> Vec<String> {
        self.path.split('/').filter(|part| !part.is_empty()).map(percent_decoded).collect()
    }
}

/// When an answer is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Release {
    /// At once.
    #[default]
    Now,
    /// Never: the connection stays open, as with a server that hangs.
    Never,
    /// After the final report of the CI on this run has been answered.
    AfterReportOf(String),
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Vec<u8>,
    /// When it is sent.
    pub release: Release,
}

impl Response {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A JSON answer, with the content type that ADO sends.
    pub fn json(status: u16, body: &Value) -> Self {
        Self { body: body.to_string().into_bytes(), ..Self::empty(status) }
            .with_header("content-type", "application/json; charset=utf-8")
    }

    /// An HTML page.
    pub fn html(status: u16, page: &str) -> Self {
        Self { body: page.as_bytes().to_vec(), ..Self::empty(status) }
            .with_header("content-type", "text/html; charset=utf-8")
    }

    /// Plain text.
    pub fn text(status: u16, text: &str) -> Self {
        Self { body: text.as_bytes().to_vec(), ..Self::empty(status) }
            .with_header("content-type", "text/plain")
    }

    /// The same answer with one more header.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The first header of that name, compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        first_named(&self.headers, name)
    }

    /// The body as JSON; null when it is not JSON.
    pub fn body_json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

fn first_named<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// Decodes percent-encoding; invalid sequences stay as they are.
pub fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = pair.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
