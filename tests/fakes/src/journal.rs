//! What has been asked of a world, for tests to count.
//!
//! One line per request, faults included, without bodies and without secrets. The journal must
//! never influence an answer.

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

/// One request that was seen.
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
    /// The status answered; 0 when the connection was closed unanswered.
    pub status: u16,
    /// The fault that struck, if any.
    pub fault: Option<&'static str>,
}

/// The requests of a world, in order, the oldest dropped beyond a limit.
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
    /// Keeps at most this many entries; a load test wants few.
    pub fn limit(&mut self, entries: usize) {
        self.limit_entries = entries;
    }

    /// Every entry kept, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// How many requests were seen, those no longer kept included.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// How many kept requests had that method and a target containing `part`, whatever its case.
    pub fn count(&self, method: &str, part: &str) -> usize {
        let part = part.to_ascii_lowercase();
        let matching = |entry: &&Entry| {
            entry.method == method && entry.target.to_ascii_lowercase().contains(&part)
        };
        self.entries().filter(matching).count()
    }

    /// How many kept requests a fault struck.
    pub fn struck(&self) -> usize {
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
