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

/// What the status of a number says; one in three is a failure.
fn state(number: usize) -> &'static str {
    if number.is_multiple_of(3) { "failed" } else { "succeeded" }
}

/// The gateway takes so many statuses of one commit.
async fn show(env: &Env, gateway: &Binary, commit: &str, count: usize) {
    let posting = (0..count).map(|number| async move {
        let status = json!({
            "organization": "fabrikam", "project": env.project, "repository": env.repository,
            "commit": commit, "context": { "name": format!("scan-{number}") },
            "state": state(number), "description": format!("Scan {number} has ended"),
        });
        let (answered, body) = gateway.api.post("/v1/statuses", Some(&status)).await;
        assert_eq!(answered, StatusCode::ACCEPTED, "{body}");
    });
    futures_util::stream::iter(posting).buffer_unordered(CALLERS).collect::<Vec<()>>().await;
}

/// The statuses that a commit has in all.
fn shown(ado: &World, repository: &str, commit: &str) -> usize {
    ado.repository(repository).commits.get(commit).map_or(0, |commit| commit.statuses.len())
}

/// From so many on, nothing that the gateway posts is answered: half of it was applied before, and
/// half never is.
async fn stop_in_the_middle(env: &Env, commit: &str, middle: usize) {
    let is_there = |ado: &World| shown(ado, &env.repository, commit) >= middle;
    env.until("half of it is shown", |ado, _| is_there(ado)).await;
    env.shell.ado(|ado| {
        let hold = |before| Rule::new("POST", "/statuses", Action::Hold { before });
        ado.faults.add(hold(true).percent(50));
        ado.faults.add(hold(false));
    });
    let held = env.shell.wait_for_held(WAIT_MAX, 4).await;
    assert!(held.is_some(), "nothing is posted any more");
}

/// Every context says what was wanted, and said nothing else before.
fn as_wanted(env: &Env, commit: &str, count: usize) {
    for number in 0..count {
        let found = env.commit_statuses(commit, &format!("scan-{number}"));
        assert!(!found.is_empty(), "scan-{number} is not shown");
        for status in found {
            let said = (status.state.as_str(), status.description.as_deref());
            let wanted = format!("Scan {number} has ended");
            assert_eq!(said, (state(number), Some(wanted.as_str())), "scan-{number}");
        }
    }
}

/// How many of the tokens are so.
fn count(pats: &[Pat], is_so: impl Fn(&Pat) -> bool) -> usize {
    pats.iter().filter(|pat| is_so(pat)).count()
}

fn tell(env: &Env, statuses: usize, left_at_the_kill: usize) {
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
async fn killed_while_minting_nothing_is_left_over() {
    let statuses = statuses_wanted();
    let env = Env::new(1);
    let credential = env.service_user("");
    let mut gateway = Binary::without_hooks(&env, |it| it.credential = credential).await;
    env.link(&gateway.url).await;
    let commit = env.push("main");
    tokio::join!(
        show(&env, &gateway, &commit, statuses),
        stop_in_the_middle(&env, &commit, statuses / 2)
    );
    gateway.kill();
    let (before, left) = env.shell.ado(|ado| {
        let left = ado.active_pats().map(|pat| pat.authorization_id.clone());
        (shown(ado, &env.repository, &commit), left.collect::<Vec<_>>())
    });
    assert!(before < statuses, "it was killed too late");
    env.shell.ado(|ado| ado.faults.clear());
    assert!(!left.is_empty(), "it died without a token in its hands");
    let killed = Instant::now();
    gateway.restart().await;
    let is_all = |ado: &World| {
        let all = ado.repository(&env.repository).commits.get(&commit);
        let names = all.into_iter().flat_map(|commit| &commit.statuses).map(|one| &one.name);
        names.collect::<std::collections::BTreeSet<_>>().len() == statuses
    };
    env.until("all is shown", |ado, _| is_all(ado)).await;
    let queued = "/v1/statuses?outcome=queued";
    gateway.api.until(queued, |list| list["items"] == json!([])).await;
    let shown_after = killed.elapsed();
    as_wanted(&env, &commit, statuses);
    let is_gone = |ado: &World| !ado.active_pats().any(|pat| left.contains(&pat.authorization_id));
    env.until("what was left over is revoked", |ado, _| is_gone(ado)).await;
    let gone_after = killed.elapsed();
    // The new process lets go of what lies ready when nobody has asked for a while.
    env.until_all_revoked().await;
    let all_after = killed.elapsed();
    println!(
        "after the kill all was shown in {shown_after:.1?}, what was left over was revoked in \
         {gone_after:.1?}, everything in {all_after:.1?}"
    );
    tell(&env, statuses, left.len());
    let (pats, violations) = env.shell.ado(|ado| (ado.pats().to_vec(), ado.violations().to_vec()));
    assert!(violations.is_empty(), "{violations:?}");
    for pat in &pats {
        assert!(pat.used + pat.refused_uses <= 1, "presented twice: {pat:?}");
        assert_eq!(pat.state(pat.valid_from_ms), PatState::Revoked, "{pat:?}");
    }
    assert!(pats.iter().filter(|pat| pat.used == 1).count() >= statuses, "each call had its own");
    let last = left.last().expect("something was left over");
    let found = gateway.api.items(&format!("/v1/audit?action=revoke&pat={last}")).await;
    assert!(found[0]["detail"].to_string().contains("left over"), "{found:?}");
}
