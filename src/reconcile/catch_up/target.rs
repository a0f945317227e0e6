//! The organization that is scanned.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::check::Check;
use crate::domain::time::Timestamp;
use crate::reconcile::context::OrganizationContext;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) context: OrganizationContext,
    /// Those of other organizations may be among them.
    pub(super) checks: Arc<[Check]>,
    /// Hooks deliver the same events, a little after they happen.
    pub(super) has_hooks: bool,
    /// None where it is only scanned on request.
    pub(super) every: Option<Duration>,
}

impl Target {
    /// The time at Azure DevOps. All times that are compared here are by its clock.
    pub(super) fn now_there(&self) -> Timestamp {
        self.context.azure_devops_time(self.context.now())
    }
}
