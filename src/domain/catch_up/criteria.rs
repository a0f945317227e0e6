//! By what known and actual state are compared.

use super::super::time::Timestamp;

/// See the module. All times are those of Azure DevOps.
#[derive(Clone, Debug)]
pub struct Criteria {
    /// Since when the repository is watched: what happened before is past.
    pub since: Timestamp,
    /// Everything before has been compared; none at the first reading.
    pub read_until: Option<Timestamp>,
    /// When Azure DevOps was asked. What is known as of later is newer than its answer.
    pub asked_at: Timestamp,
    /// Older pushes that were superseded may be skipped. A newer one may still arrive through a
    /// hook, which delivers each push.
    pub skips_superseded_until: Timestamp,
    /// Also look for branches that moved and came back.
    pub is_thorough: bool,
    /// A check depends on the labels of pull requests.
    pub follows_labels: bool,
    /// A check is started by the end of a pull request.
    pub follows_closing: bool,
}

impl Criteria {
    /// No missed change can be earlier.
    pub(super) fn earliest(&self) -> Timestamp {
        self.read_until.map_or(self.since, |until| until.max(self.since))
    }
}
