//! What the neighbours saw: requests by kind, and what became of every token. It must never ask
//! the gateway.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, json};

use crate::fakes::Fakes;

const MINT: &str = "mint";
const POST: &str = "post";
const REVOKE: &str = "revoke";
const LOOK: &str = "look";

/// Requests to Azure DevOps by kind.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Requests {
    pub(crate) mint: u64,
    pub(crate) post: u64,
    pub(crate) revoke: u64,
    /// At the living tokens: now and then, however many statuses there are.
    pub(crate) look: u64,
    /// By method and the end of the path.
    pub(crate) others: BTreeMap<String, u64>,
    /// Those that were answered with an error, whatever they were.
    pub(crate) refused: u64,
}

/// What became of the tokens that were minted.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Tokens {
    pub(crate) minted: u64,
    pub(crate) used_once: u64,
    pub(crate) used_more: u64,
    /// Minted for nobody.
    pub(crate) unused: u64,
    pub(crate) revoked: u64,
    /// Still good when the gateway was gone.
    pub(crate) left_over: u64,
    pub(crate) violations: Vec<String>,
}

impl Requests {
    /// What was asked for the sake of statuses.
    pub(crate) fn for_statuses(&self) -> u64 {
        self.mint + self.post + self.revoke + self.others()
    }

    pub(crate) fn others(&self) -> u64 {
        self.others.values().sum()
    }

    fn count(&mut self, entry: &Value) {
        let text = |key| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let (method, target) = (text("method"), text("target").to_ascii_lowercase());
        let path = target.split('?').next().unwrap_or_default();
        match kind(method, path) {
            Some(MINT) => self.mint += 1,
            Some(POST) => self.post += 1,
            Some(REVOKE) => self.revoke += 1,
            Some(LOOK) => self.look += 1,
            _ => {
                let end = path.rsplit('/').next().unwrap_or_default();
                *self.others.entry(format!("{method} {end}")).or_default() += 1;
            }
        }
        if entry.get("status").and_then(Value::as_u64).is_none_or(|status| status >= 300) {
            self.refused += 1;
        }
    }
}

fn kind(method: &str, path: &str) -> Option<&'static str> {
    let of_pats = path.ends_with("/_apis/tokens/pats");
    match method {
        "POST" if of_pats => Some(MINT),
        "DELETE" if of_pats => Some(REVOKE),
        "GET" if of_pats => Some(LOOK),
        "POST" if path.ends_with("/statuses") => Some(POST),
        _ => None,
    }
}

/// How many requests Azure DevOps has seen so far.
pub(in crate::profiles) async fn seen(fakes: &Fakes) -> anyhow::Result<u64> {
    let newest = fakes.control.get(&format!("/_fake/journal/{}", u64::MAX)).await?;
    newest.get("seen").and_then(Value::as_u64).context("a journal without a count")
}

/// What was asked of Azure DevOps from that request on.
pub(super) async fn requests_since(fakes: &Fakes, from: u64) -> anyhow::Result<Requests> {
    let journal = fakes.control.get(&format!("/_fake/journal/{from}")).await?;
    let entries = journal.get("entries").and_then(Value::as_array).context("no journal")?;
    let mut requests = Requests::default();
    entries.iter().for_each(|entry| requests.count(entry));
    Ok(requests)
}

/// Tells Azure DevOps what to expect of tokens.
pub(in crate::profiles) async fn expect_single_use(
    fakes: &Fakes,
    expected: bool,
) -> anyhow::Result<()> {
    fakes.control.post("/_fake/pats/rules", &json!({"single_use": expected})).await.map(drop)
}

/// What has become of all tokens.
pub(super) async fn tokens(fakes: &Fakes) -> anyhow::Result<Tokens> {
    let pats = fakes.control.get("/_fake/pats").await?;
    let mut tokens = Tokens::default();
    for pat in pats.as_array().context("a list is needed")? {
        tokens.minted += 1;
        match pat.get("used").and_then(Value::as_u64) {
            Some(0) => tokens.unused += 1,
            Some(1) => tokens.used_once += 1,
            _ => tokens.used_more += 1,
        }
        match pat.get("state").and_then(Value::as_str) {
            Some("revoked") => tokens.revoked += 1,
            Some("active") => tokens.left_over += 1,
            _ => {}
        }
    }
    let violations = fakes.control.get("/_fake/violations").await?;
    let violations = violations.as_array().context("a list is needed")?;
    tokens.violations = violations.iter().map(|one| one.to_string()).collect();
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Requests;

    #[test]
    fn requests_are_told_apart() {
        let mut requests = Requests::default();
        for (method, target, status) in [
            ("POST", "/o/_apis/Tokens/Pats?api-version=7.1-preview.1", 200),
            ("DELETE", "/o/_apis/tokens/pats?authorizationId=1", 204),
            ("GET", "/o/_apis/tokens/pats", 200),
            ("POST", "/o/p/_apis/git/repositories/r/commits/c/statuses", 401),
            ("GET", "/o/p/_apis/git/repositories/r/pullRequests/1/iterations", 200),
        ] {
            requests.count(&json!({"method": method, "target": target, "status": status}));
        }
        assert_eq!((requests.mint, requests.revoke, requests.post), (1, 1, 1));
        assert_eq!((requests.look, requests.others(), requests.refused), (1, 1, 1));
        assert_eq!(requests.for_statuses(), 4, "a look is for all of them");
    }
}
