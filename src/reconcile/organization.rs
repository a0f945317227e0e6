//! The reconcilers of one organization, each with its driver.

use std::sync::Arc;
use std::time::Duration;

use super::catch_up::CatchUp;
use super::context::OrganizationContext;
use super::driver::Driver;
use super::policies::Policies;
use super::subscriptions::Subscriptions;
use crate::domain::check::Check;
use crate::storage;
use crate::worker::{Notifier, Tick};

/// What is configured for the reconcilers of an organization.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Those of other organizations may be among them.
    pub checks: Arc<[Check]>,
    /// The usual wait between two passes of subscriptions, and of policies.
    pub every: Duration,
    /// The usual wait between two scans of catch-up; none where it is off.
    pub catch_up_every: Option<Duration>,
    /// False where hooks are made by hand.
    pub manages_hooks: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct OrganizationReconcilers {
    /// Its name as configured.
    pub organization: String,
    pub subscriptions: Arc<Driver<Subscriptions>>,
    pub policies: Arc<Driver<Policies>>,
    pub catch_up: Arc<Driver<CatchUp>>,
}

impl OrganizationReconcilers {
    /// Nothing runs until the ticks are called.
    pub fn new(context: OrganizationContext, settings: Settings) -> Self {
        let Settings { checks, every, catch_up_every, manages_hooks } = settings;
        let catch_up =
            CatchUp::new(context.clone(), Arc::clone(&checks), catch_up_every, manages_hooks);
        let catch_up = Arc::new(Driver::new(catch_up));
        let subscriptions = Subscriptions {
            context: context.clone(),
            checks: Arc::clone(&checks),
            every,
            is_managed: manages_hooks,
            catch_up: Arc::clone(&catch_up),
        };
        let organization = context.organization.clone();
        let policies = Policies { context, checks, every, catch_up: Arc::clone(&catch_up) };
        Self {
            organization,
            subscriptions: Arc::new(Driver::new(subscriptions)),
            policies: Arc::new(Driver::new(policies)),
            catch_up,
        }
    }

    /// Asks for a pass of each reconciler, as the first of this process or of an account.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn begin(&self) -> Result<(), storage::Error> {
        self.subscriptions.begin().await?;
        self.policies.begin().await?;
        self.catch_up.begin().await
    }

    /// The work of each reconciler, and what wakes its worker.
    pub fn ticks(&self) -> [(Arc<dyn Tick>, Notifier); 3] {
        let Self { subscriptions, policies, catch_up, .. } = self;
        [
            (Arc::clone(subscriptions) as Arc<dyn Tick>, subscriptions.notifier().clone()),
            (Arc::clone(policies) as Arc<dyn Tick>, policies.notifier().clone()),
            (Arc::clone(catch_up) as Arc<dyn Tick>, catch_up.notifier().clone()),
        ]
    }
}
