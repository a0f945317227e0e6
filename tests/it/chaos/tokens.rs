//! What became of the tokens that were minted, held against what Azure DevOps knows of them: each
//! was used once at most, and none works any more.
//!
//! A gateway that stops revokes what it holds. What it never heard of is left to the next start,
//! which has to find it. It must never count on a token ending by itself.

use fakes::ado::pats::PatState;

use super::weather;
use crate::harness::{Env, InProcess};

/// After the gateway has stopped.
pub(super) async fn are_spent(env: &Env) {
    let (left, unheard) = env.shell.ado(|ado| {
        let left: Vec<_> = ado.active_pats().map(|pat| format!("{pat:?}")).collect();
        (left, weather::minted_unheard(ado))
    });
    let (count, left) = (left.len(), left.join("\n"));
    assert!(count <= unheard, "{unheard} answers were lost, and these are left:\n{left}");
    if count > 0 {
        let credential = env.service_user("");
        let next = InProcess::without_hooks(env, |settings| settings.credential = credential).await;
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
