//! The state of the minted tokens at the end, as Azure DevOps has it: each was used once at most,
//! and none is active.
//!
//! A gateway that stops revokes its tokens. A token whose mint answer was lost is revoked by the
//! next start, without waiting for its expiry.

use fakes::ado::pats::PatState;

use super::faults;
use crate::harness::{Env, Gateway};

/// Fails the test unless every token was revoked; the gateway has stopped.
pub(super) async fn check_revoked(env: &Env) {
    let (left, unanswered) = env.shell.ado(|ado| {
        let left: Vec<_> = ado.active_pats().map(|pat| format!("{pat:?}")).collect();
        (left, faults::unanswered_mints(ado))
    });
    let (count, left) = (left.len(), left.join("\n"));
    assert!(count <= unanswered, "{unanswered} answers were lost, and these are left:\n{left}");
    if count > 0 {
        let credential = env.service_user("");
        let next = Gateway::without_hooks(env, |settings| settings.credential = credential).await;
        env.until_all_revoked().await;
        next.stop().await;
    }
    env.shell.ado(|ado| {
        let violations = ado.violations();
        assert!(violations.is_empty(), "misused tokens:\n{}", violations.join("\n"));
        for pat in ado.pats() {
            assert!(pat.used + pat.refused_uses <= 1, "presented twice: {pat:?}");
            assert_ne!(pat.state(pat.valid_from_ms), PatState::Active, "never revoked: {pat:?}");
        }
    });
}
