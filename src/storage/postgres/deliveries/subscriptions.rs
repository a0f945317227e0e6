//! The numbers of subscriptions, of which the key of a delivery is made. A process remembers those
//! that it has used.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;

use crate::domain::delivery;
use crate::storage::Envelope;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::get;

/// Subscriptions that are remembered. When there are more, all are looked up once more.
const REMEMBERED_MAX: usize = 16_384;

/// A subscription: its organization, the scope of its hook's password, and its GUID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Subscription {
    organization: String,
    scope: String,
    guid: String,
}

impl Subscription {
    /// The subscription of a delivery; none where the delivery has no key.
    pub(super) fn of(organization: &str, hook: &str, envelope: &Envelope) -> Option<Self> {
        let key = delivery::key(hook, envelope.subscription.as_deref(), envelope.notification);
        let (scope, guid, _) = key?;
        let stored = |value: &str| text(value).into_owned();
        let (organization, guid) = (stored(organization), stored(guid));
        Some(Self { organization, scope: stored(&scope), guid })
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<HashMap<Subscription, i64>>);

impl Subscriptions {
    /// The numbers of these subscriptions, in their order. Each statement on `db` has to be a
    /// transaction of its own: others use a number as soon as it is there.
    pub(super) async fn numbers(
        &self,
        db: &Db,
        of: &[Option<&Subscription>],
    ) -> Result<Vec<Option<i64>>, Failure> {
        let unknown: BTreeSet<&Subscription> = {
            let known = self.0.lock();
            of.iter().copied().flatten().filter(|one| !known.contains_key(*one)).collect()
        };
        if !unknown.is_empty() {
            let found = look_up(db, &unknown).await?;
            let mut known = self.0.lock();
            if known.len() + found.len() > REMEMBERED_MAX {
                known.clear();
            }
            known.extend(found);
        }
        let known = self.0.lock();
        let number = |one: &Option<&Subscription>| match one {
            None => Ok(None),
            Some(one) => match known.get(*one) {
                Some(number) => Ok(Some(*number)),
                None => Err(Failure::Value("a subscription has no number".into())),
            },
        };
        of.iter().map(number).collect()
    }

    /// Looks all of them up again: after a failover another database may answer, which does not
    /// know the last ones.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }
}

/// Gives numbers to those without one. The second statement also sees what others commit while the
/// first one waits for them.
async fn look_up(
    db: &Db,
    of: &BTreeSet<&Subscription>,
) -> Result<Vec<(Subscription, i64)>, Failure> {
    let organizations: Vec<_> = of.iter().map(|one| text(&one.organization)).collect();
    let scopes: Vec<_> = of.iter().map(|one| text(&one.scope)).collect();
    let guids: Vec<_> = of.iter().map(|one| text(&one.guid)).collect();
    let given = params![organizations, scopes, guids];
    let insert = "INSERT INTO subscription (organization, scope, guid)
        SELECT * FROM unnest($1, $2, $3) ON CONFLICT (organization, scope, guid) DO NOTHING";
    db.execute(insert, given).await?;
    let select = "SELECT organization, scope, guid, id
        FROM unnest($1, $2, $3) AS given (organization, scope, guid)
        JOIN subscription USING (organization, scope, guid)";
    let rows = db.rows(select, given).await?;
    let read = |row| {
        let (organization, scope, guid) = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
        Ok((Subscription { organization, scope, guid }, get(row, 3)?))
    };
    rows.iter().map(read).collect()
}
