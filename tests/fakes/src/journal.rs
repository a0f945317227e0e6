//! The requests that a world has received, for tests to count.
//!
//! One entry for each request, also where a fault applied, without bodies and without secrets.

use crate::http::Request;

/// How a request authenticated itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// Not at all.
    None,
    /// Basic, as with a PAT.
    Basic,
    /// A bearer token.
    Bearer,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Upper-case method.
    pub method: String,
    /// The path as sent, with its query.
    pub target: String,
    /// How the caller authenticated.
    pub credential: Credential,
    /// The status of the answer; 0 when the connection was closed without one.
    pub status: u16,
    /// The fault that applied, if any.
    pub fault: Option<&'static str>,
}

/// The requests of a world, in order. Beyond a limit the oldest are dropped.
#[derive(Debug, Clone)]
pub struct Journal {
    entries: std::collections::VecDeque<Entry>,
    limit_entries: usize,
    seen: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Self { entries: Default::default(), limit_entries: 200_000, seen: 0 }
    }
}

impl Journal {
    /// Sets how many entries are kept; a load test keeps few.
    pub fn limit(&mut self, entries: usize) {
        self.limit_entries = entries;
    }

    /// The kept entries, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// How many requests were received, dropped entries included.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// How many kept entries have that method and a target that contains `part`, compared without
    /// case.
    pub fn count(&self, method: &str, part: &str) -> usize {
        let part = part.to_ascii_lowercase();
        let matching = |entry: &&Entry| {
            entry.method == method && entry.target.to_ascii_lowercase().contains(&part)
        };
        self.entries().filter(matching).count()
    }

    /// To how many kept requests a fault applied.
    pub fn faulted(&self) -> usize {
        self.entries().filter(|entry| entry.fault.is_some()).count()
    }

    pub(crate) fn record(
        &mut self,
        request: &Request,
        status: u16,
        fault: Option<&'static str>,
        at_ms: i64,
    ) {
        self.seen += 1;
        if self.entries.len() >= self.limit_entries {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            at_ms,
            method: request.method.clone(),
            target: target_of(request),
            credential: credential_of(request),
            status,
            fault,
        });
    }
}

fn target_of(request: &Request) -> String {
    if request.query.is_empty() {
        return request.path.clone();
    }
    let pairs: Vec<_> = request.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{}?{}", request.path, pairs.join("&"))
}

fn credential_of(request: &Request) -> Credential {
    match request.header("authorization").and_then(|value| value.split_once(' ')) {
        Some((kind, _)) if kind.eq_ignore_ascii_case("basic") => Credential::Basic,
        Some((kind, _)) if kind.eq_ignore_ascii_case("bearer") => Credential::Bearer,
        _ => Credential::None,
    }
}
