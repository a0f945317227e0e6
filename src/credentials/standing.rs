//! What is wrong with our identity in each organization, as last experienced.
//!
//! A dead credential must not turn deliveries away, and must not stay hidden either: it shows in
//! the body of `/readyz` and in a metric until a call succeeds again. It must never know a
//! credential.

use std::collections::BTreeMap;

use dashmap::DashMap;

/// See the module. Keyed by organization.
#[derive(Debug, Default)]
pub struct Standing {
    refused: DashMap<String, String>,
}

impl Standing {
    /// Azure DevOps did not let us in, for this reason.
    pub fn refused(&self, organization: &str, reason: &str) {
        self.refused.insert(organization.to_owned(), reason.to_owned());
        gauge(organization, 0.0);
    }

    /// A call got through.
    pub fn accepted(&self, organization: &str) {
        self.refused.remove(organization);
        gauge(organization, 1.0);
    }

    /// What is wrong, by organization; nothing about those where all is well.
    pub fn troubles(&self) -> BTreeMap<String, String> {
        let copied = |entry: dashmap::mapref::multiple::RefMulti<'_, String, String>| {
            (entry.key().clone(), entry.value().clone())
        };
        self.refused.iter().map(copied).collect()
    }
}

fn gauge(organization: &str, value: f64) {
    metrics::gauge!("azdo_gateway_credential_accepted", "organization" => organization.to_owned())
        .set(value);
}
