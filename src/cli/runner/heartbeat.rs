//! Keeps a lease alive, and learns from the answers when to stop.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::calls::{Beat, Gateway};
use crate::cli::report::BACKOFF;
use crate::jitter;

/// The longest time between two heartbeats: a cancelled run is stopped as soon as this.
const INTERVAL_MAX: Duration = Duration::from_secs(10);
/// How long after its lease has run out, as far as this runner can tell, a command goes on while
/// the gateway does not answer. The lease may be alive all the same: a gateway that does not run
/// gives no run to anybody else.
const UNANSWERED_MAX: Duration = Duration::from_secs(15 * 60);

/// Why a command is to be stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The run was cancelled: why.
    Cancelled(String),
    /// Nothing that this runner reports counts any more: why.
    Lost(String),
}

/// Sends heartbeats until the lease is lost. Tells `stop` of it, and when the run is cancelled.
pub(super) async fn keep_alive(
    gateway: &Gateway,
    lease: &str,
    mut expires_in: Duration,
    stop: &watch::Sender<Option<Stop>>,
) {
    let mut answered_at = Instant::now();
    let mut failures = 0;
    loop {
        tokio::time::sleep(wait(expires_in, failures, jitter::random())).await;
        match gateway.heartbeat(lease).await {
            Beat::Alive { expires_in: renewed, cancel } => {
                (expires_in, answered_at, failures) = (renewed, Instant::now(), 0);
                if let Some(reason) = cancel {
                    order(stop, Stop::Cancelled(reason));
                }
            }
            Beat::Lost(why) => return order(stop, Stop::Lost(why)),
            Beat::Later(why) => {
                failures = failures.saturating_add(1);
                if answered_at.elapsed() > expires_in + UNANSWERED_MAX {
                    return order(stop, Stop::Lost(format!("no heartbeat is answered: {why}")));
                }
                tracing::warn!("a heartbeat is not answered, and is repeated: {why}");
            }
        }
    }
}

/// The first reason counts.
fn order(stop: &watch::Sender<Option<Stop>>, why: Stop) {
    stop.send_if_modified(|known| {
        let is_first = known.is_none();
        if is_first {
            *known = Some(why);
        }
        is_first
    });
}

/// How long to wait before the next heartbeat: a third of the lease, so that two may be lost;
/// after failures less, if that is sooner.
fn wait(expires_in: Duration, failures: u32, random: u64) -> Duration {
    let regular = (expires_in / 3).min(INTERVAL_MAX);
    if failures == 0 { regular } else { BACKOFF.wait(failures, random, None).min(regular) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_renewed_long_before_it_ends() {
        let seconds = Duration::from_secs;
        assert_eq!(wait(seconds(60), 0, 7), seconds(10));
        assert_eq!(wait(seconds(3), 0, 7), seconds(1));
        for failures in 1..20 {
            assert!(wait(seconds(60), failures, u64::MAX) <= seconds(10));
        }
    }

    #[test]
    fn the_first_reason_counts() {
        let (stop, stopped) = watch::channel(None);
        order(&stop, Stop::Cancelled("superseded".into()));
        order(&stop, Stop::Lost("late".into()));
        assert_eq!(*stopped.borrow(), Some(Stop::Cancelled("superseded".into())));
    }
}
