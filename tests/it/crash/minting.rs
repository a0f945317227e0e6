//! Killed while it mints: tokens that no process holds are revoked by the next process, and no
//! token is presented twice.
//!
//! The process dies while it posts very many statuses, each with a token of its own.

use std::time::Instant;

use fakes::ado::World;
use fakes::ado::pats::{Pat, PatState};
use fakes::faults::{Action, Rule};
use futures_util::StreamExt;
use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{Binary, Env, WAIT_MAX};

const PATS: &str = "/_apis/tokens/pats";
/// How many statuses there are, unless `AZDO_GATEWAY_STATUSES` says otherwise.
const STATUSES: usize = 150;
/// Callers at the same time.
const CALLERS: usize = 8;

fn statuses_wanted() -> usize {
    let wanted = std::env::var("AZDO_GATEWAY_STATUSES").ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or(STATUSES)
}

/// The state of the n-th status; every third is a failure.
fn state(number: usize) -> &'static str {
    if number.is_multiple_of(3) { "failed" } else { "succeeded" }
}

/// Hands so many statuses of one commit to the gateway.
async fn post_statuses(env: &Env, gateway: &Binary, commit: &str, count: usize) {
    let posting = (0..count).map(|number| async move {
        let status = json!({
            "organization": "fabrikam", "project": env.project, "repository": env.repository,
            "commit": commit, "context": { "name": format!("scan-{number}") },
            "state": state(number), "description": format!("Scan {number} has ended"),
        });
        let (answer, body) = gateway.api.post("/v1/statuses", Some(&status)).await;
        assert_eq!(answer, StatusCode::ACCEPTED, "{body}");
    });
    futures_util::stream::iter(posting).buffer_unordered(CALLERS).collect::<Vec<()>>().await;
}

/// The number of statuses on a commit.
fn status_count(ado: &World, repository: &str, commit: &str) -> usize {
    ado.repository(repository).commits.get(commit).map_or(0, |commit| commit.statuses.len())
}

/// Waits until the commit has so many statuses. From then on no post is answered: half of the posts
/// are applied, the others are not.
async fn hold_posts_after(env: &Env, commit: &str, statuses: usize) {
    let are_there = |ado: &World| status_count(ado, &env.repository, commit) >= statuses;
    env.until("half of the statuses are posted", |ado, _| are_there(ado)).await;
    env.shell.ado(|ado| {
        let hold = |before| Rule::new("POST", "/statuses", Action::Hold { before });
        ado.faults.add(hold(true).percent(50));
        ado.faults.add(hold(false));
    });
    let held = env.shell.wait_for_held(WAIT_MAX, 4).await;
    assert!(held.is_some(), "fewer than four posts are held");
}

/// Checks that every context has its status, and never had another one.
fn check_statuses(env: &Env, commit: &str, count: usize) {
    for number in 0..count {
        let statuses = env.commit_statuses(commit, &format!("scan-{number}"));
        assert!(!statuses.is_empty(), "scan-{number} has no status");
        for status in statuses {
            let found = (status.state.as_str(), status.description.as_deref());
            let expected = format!("Scan {number} has ended");
            assert_eq!(found, (state(number), Some(expected.as_str())), "scan-{number}");
        }
    }
}

fn count(pats: &[Pat], is_counted: impl Fn(&Pat) -> bool) -> usize {
    pats.iter().filter(|pat| is_counted(pat)).count()
}

/// Prints how many tokens were minted, used and revoked, and how many requests that took.
fn print_counts(env: &Env, statuses: usize, left_at_the_kill: usize) {
    let pats = env.shell.ado(|ado| ado.pats().to_vec());
    let left = env.shell.ado(|ado| ado.active_pats().count());
    let requests = env.shell.ado(|ado| {
        [("POST", PATS), ("POST", "/statuses"), ("DELETE", PATS)]
            .map(|(method, path)| ado.journal.count(method, path))
    });
    let hundredths = requests.map(|count| (count * 100).div_ceil(statuses));
    let each = hundredths.map(|count| format!("{}.{:02}", count / 100, count % 100));
    println!(
        "{statuses} statuses: {} minted, {} used once, {} used twice, {} revoked, \
         {left_at_the_kill} left over at the kill, {left} left over at the end; \
         requests per status: {} mint, {} post, {} revoke",
        pats.len(),
        count(&pats, |pat| pat.used == 1),
        count(&pats, |pat| pat.used > 1),
        count(&pats, |pat| pat.revoked_at_ms.is_some()),
        each[0],
        each[1],
        each[2],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_while_minting_every_token_is_revoked_and_none_was_used_twice() {
    let statuses = statuses_wanted();
    let env = Env::new(1);
    let credential = env.service_user("");
    let mut gateway = Binary::without_hooks(&env, |it| it.credential = credential).await;
    env.link(&gateway.url).await;
    let commit = env.push("main");
    tokio::join!(
        post_statuses(&env, &gateway, &commit, statuses),
        hold_posts_after(&env, &commit, statuses / 2)
    );
    gateway.kill();
    let (before, left) = env.shell.ado(|ado| {
        let left = ado.active_pats().map(|pat| pat.authorization_id.clone());
        (status_count(ado, &env.repository, &commit), left.collect::<Vec<_>>())
    });
    assert!(before < statuses, "it was killed too late");
    env.shell.ado(|ado| ado.faults.clear());
    assert!(!left.is_empty(), "no token was active at the kill");
    let killed = Instant::now();
    gateway.restart().await;
    let is_all = |ado: &World| {
        let all = ado.repository(&env.repository).commits.get(&commit);
        let names = all.into_iter().flat_map(|commit| &commit.statuses).map(|one| &one.name);
        names.collect::<std::collections::BTreeSet<_>>().len() == statuses
    };
    env.until("every status is posted", |ado, _| is_all(ado)).await;
    let queued = "/v1/statuses?outcome=queued";
    gateway.api.until(queued, |list| list["items"] == json!([])).await;
    let posted_after = killed.elapsed();
    check_statuses(&env, &commit, statuses);
    let are_revoked =
        |ado: &World| !ado.active_pats().any(|pat| left.contains(&pat.authorization_id));
    env.until("the tokens left over are revoked", |ado, _| are_revoked(ado)).await;
    let revoked_after = killed.elapsed();
    // The new process revokes the unused tokens of its pool after a while without calls.
    env.until_all_revoked().await;
    let all_revoked_after = killed.elapsed();
    println!(
        "after the kill all statuses were posted in {posted_after:.1?}, the tokens left over were \
         revoked in {revoked_after:.1?}, and all tokens in {all_revoked_after:.1?}"
    );
    print_counts(&env, statuses, left.len());
    let (pats, violations) = env.shell.ado(|ado| (ado.pats().to_vec(), ado.violations().to_vec()));
    assert!(violations.is_empty(), "{violations:?}");
    for pat in &pats {
        assert!(pat.used + pat.refused_uses <= 1, "presented twice: {pat:?}");
        assert_eq!(pat.state(pat.valid_from_ms), PatState::Revoked, "{pat:?}");
    }
    assert!(
        pats.iter().filter(|pat| pat.used == 1).count() >= statuses,
        "a post used no token of its own"
    );
    let last = left.last().expect("some were left over");
    let found = gateway.api.items(&format!("/v1/audit?action=revoke&pat={last}")).await;
    assert!(found[0]["detail"].to_string().contains("left over"), "{found:?}");
}
