//! Subscriptions, and which events they are for.
//!
//! Filters are compared as ADO does: GUIDs without case, branches by their short name only. Which
//! subscriptions are valid is decided in `validation`.

use std::collections::BTreeMap;

use super::event::{Event, EventKind};

/// Inputs of a publisher or consumer; ADO has only strings (docs/azure-devops.md §1.1).
pub type Inputs = BTreeMap<String, String>;

/// Whether a subscription delivers (docs/azure-devops.md §1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionStatus {
    /// It delivers.
    Enabled,
    /// One failed notification is retried; other events are lost.
    OnProbation,
    /// A person disabled it.
    DisabledByUser,
    /// ADO disabled it.
    DisabledBySystem,
    /// Its owner was deactivated.
    DisabledByInactiveIdentity,
}

impl SubscriptionStatus {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::OnProbation => "onProbation",
            Self::DisabledByUser => "disabledByUser",
            Self::DisabledBySystem => "disabledBySystem",
            Self::DisabledByInactiveIdentity => "disabledByInactiveIdentity",
        }
    }

    /// The status of that name.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::Enabled,
            Self::OnProbation,
            Self::DisabledByUser,
            Self::DisabledBySystem,
            Self::DisabledByInactiveIdentity,
        ];
        all.into_iter().find(|status| status.name() == word)
    }
}

/// A subscription to one type of event.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// GUID.
    pub id: String,
    /// Name of its organization.
    pub organization: String,
    /// Type of the events.
    pub event_type: String,
    /// `1.0`, `2.0`, …
    pub resource_version: String,
    /// Filters.
    pub publisher_inputs: Inputs,
    /// Where and how to deliver, with secrets unmasked.
    pub consumer_inputs: Inputs,
    /// Whether it delivers.
    pub status: SubscriptionStatus,
    /// GUID of the identity that created it.
    pub created_by: String,
    /// GUID of the identity that changed it last. It needs permission to read the repository of an
    /// event.
    pub modified_by: String,
    /// When it was created.
    pub created_ms: i64,
    /// When it was last changed.
    pub modified_ms: i64,
    /// How often the failed notification was retried on probation.
    pub probation_retries: u32,
    /// When it was last retried.
    pub last_probation_retry_ms: Option<i64>,
    /// The number of the last notification.
    pub last_notification: u64,
}

impl Subscription {
    /// An input that is set and not empty; empty means "any" (docs/azure-devops.md §2.2).
    pub fn filter(&self, name: &str) -> Option<&str> {
        self.publisher_inputs.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether it is a subscription to this event.
    pub(crate) fn matches(&self, event: &Event) -> bool {
        let equals = |name: &str, value: &str| {
            self.filter(name).is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
        };
        self.organization == event.organization
            && self.event_type == event.kind.name()
            && equals("projectId", &event.project)
            && equals("repository", &event.repository)
            && self
                .filter("branch")
                .is_none_or(|wanted| event.branches.iter().any(|branch| branch == wanted))
            && self.matches_details(event)
    }

    fn matches_details(&self, event: &Event) -> bool {
        let chosen = |name: &str, value: Option<&str>| {
            self.filter(name).is_none_or(|wanted| Some(wanted) == value)
        };
        let by = Some(event.created_by.as_str());
        match event.kind {
            EventKind::Push => chosen("pushedBy", by),
            EventKind::Comment => true,
            EventKind::BuildComplete => {
                chosen("definitionName", event.definition_name.as_deref())
                    && chosen("buildStatus", event.build_status)
            }
            EventKind::Created => chosen("pullrequestCreatedBy", by),
            EventKind::Updated => {
                chosen("pullrequestCreatedBy", by)
                    && chosen("notificationType", event.notification_type)
            }
            EventKind::Merged => {
                chosen("pullrequestCreatedBy", by) && chosen("mergeResult", event.merge_result)
            }
        }
    }
}
