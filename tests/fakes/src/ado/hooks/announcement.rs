//! Announcing an event: each subscription to it gets a notification, or loses the event for a
//! reason.

use super::event::{Event, EventKind, EventSubject};
use super::notification::{LossReason, LostEvent};
use super::subscription::SubscriptionStatus;
use crate::ado::security::permission::Permission;
use crate::ado::world::World;

impl World {
    /// An event at the present time, without values to filter by.
    pub(crate) fn event(
        &mut self,
        kind: EventKind,
        repository: &str,
        subject: EventSubject,
        text: String,
    ) -> Event {
        let id = self.random.guid();
        let known = self.repository(repository);
        Event {
            id,
            kind,
            organization: known.organization.clone(),
            project: known.project.clone(),
            repository: repository.to_owned(),
            subject,
            at_ms: self.now_ms,
            text,
            branches: Vec::new(),
            notification_type: None,
            merge_result: None,
            definition_name: None,
            build_status: None,
            created_by: self.actor.clone(),
        }
    }

    /// Queues a notification for each subscription to an event, or records that the subscription
    /// loses it.
    pub(crate) fn announce(&mut self, event: Event) {
        let wanting = self.hooks.subscriptions.values().filter(|one| one.matches(&event));
        let ids: Vec<_> = wanting.map(|subscription| subscription.id.clone()).collect();
        for id in ids {
            match self.loss_reason(&id, &event) {
                Some(why) => self.record_loss(&id, event.clone(), why),
                None => {
                    self.enqueue(&id, event.clone(), None);
                }
            }
        }
    }

    fn loss_reason(&self, id: &str, event: &Event) -> Option<LossReason> {
        let subscription = self.hooks.subscriptions.get(id)?;
        match subscription.status {
            SubscriptionStatus::Enabled => {
                let owner = &subscription.modified_by;
                let may_read = match event.subject {
                    EventSubject::Build(number) => self.may_see_build(owner, number),
                    _ => self.may(owner, Permission::GenericRead, Some(&event.repository)),
                };
                (!may_read).then_some(LossReason::NotPermitted)
            }
            SubscriptionStatus::OnProbation => Some(LossReason::OnProbation),
            _ => Some(LossReason::Disabled),
        }
    }

    pub(super) fn record_loss(&mut self, subscription: &str, event: Event, why: LossReason) {
        let subscription = subscription.to_owned();
        self.hooks.lost.push(LostEvent { subscription, event, why });
    }
}
