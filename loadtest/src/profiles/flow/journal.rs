//! The requests that Azure DevOps got, by kind.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::Value;

use crate::fakes::Fakes;
use crate::rounds::Measurement;

/// Counted by method and the end of the path, and by status where it was refused.
#[derive(Debug, Default)]
pub(super) struct Requests(BTreeMap<String, u64>);

/// How many requests Azure DevOps got so far.
pub(super) async fn seen(fakes: &Fakes) -> anyhow::Result<u64> {
    let newest = fakes.control.get(&format!("/_fake/journal/{}", u64::MAX)).await?;
    newest.get("seen").and_then(Value::as_u64).context("a journal without a count")
}

impl Requests {
    /// What Azure DevOps was asked after the first `seen` requests.
    pub(super) async fn since(fakes: &Fakes, seen: u64) -> anyhow::Result<Self> {
        let journal = fakes.control.get(&format!("/_fake/journal/{seen}")).await?;
        let entries = journal.get("entries").and_then(Value::as_array).context("no journal")?;
        let mut requests = Self::default();
        entries.iter().for_each(|entry| requests.count(entry));
        Ok(requests)
    }

    fn count(&mut self, entry: &Value) {
        let text = |key| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let path = text("target").split('?').next().unwrap_or_default().to_ascii_lowercase();
        let mut kind =
            format!("{} {}", text("method"), path.rsplit('/').next().unwrap_or_default());
        let status = entry.get("status").and_then(Value::as_u64).unwrap_or_default();
        if !(200..300).contains(&status) {
            kind.push_str(&format!(", refused with {status}"));
        }
        *self.0.entry(kind).or_default() += 1;
    }

    /// The request of a status itself, and what its token costs: tokens are minted and revoked for
    /// statuses and look-ups alike. Lists of tokens come now and then and are not counted.
    fn per_status(&self) -> f64 {
        let count = |kind| self.0.get(kind).copied().unwrap_or_default() as f64;
        let calls = count("POST statuses") + count("GET iterations");
        1.0 + (count("POST pats") + count("DELETE pats")) / calls.max(1.0)
    }

    pub(super) fn measurement(self, subject: String) -> Measurement {
        let mut measured = Measurement::new(subject, [("requests_per_status", self.per_status())]);
        measured.counts = self.0;
        measured
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Requests;

    #[test]
    fn each_call_costs_a_token_and_a_list_of_tokens_is_not_counted() {
        let mut requests = Requests::default();
        for (method, target, status) in [
            ("POST", "/o/_apis/Tokens/Pats?api-version=7.1", 200),
            ("POST", "/o/p/_apis/git/repositories/r/commits/c/statuses", 201),
            ("DELETE", "/o/_apis/tokens/pats?id=1", 204),
            ("GET", "/o/_apis/tokens/pats", 200),
            ("GET", "/o/p/_apis/git/repositories/r/pullRequests/1/iterations", 401),
        ] {
            requests.count(&json!({"method": method, "target": target, "status": status}));
        }
        assert_eq!(requests.per_status(), 3.0);
        assert_eq!(requests.0["GET iterations, refused with 401"], 1);
    }
}
