//! PATs: minted with the least scope for one call, used once, and revoked whatever happens.

use std::time::Duration;

use azdo_gateway::ado::Scope;
use azdo_gateway::clock::Clock;
use azdo_gateway::credentials::Purpose;
use fakes::ado::World;
use fakes::ado::pats::{Pat, PatState};
use fakes::faults::{Action, Rule, unavailable_503};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Env, Gateway, SERVICE_USER, Settings, WAIT_MAX, parts};

const PATS: &str = "/_apis/tokens/pats";

/// Queues a status of each of these contexts for a new commit, as a CI that the gateway did not
/// start does. Returns the commit.
async fn queue_statuses(env: &Env, gateway: &Gateway, contexts: &[&str]) -> String {
    let commit = env.push("main");
    for name in contexts {
        let status = json!({
            "organization": "fabrikam", "project": env.project, "repository": env.repository,
            "commit": commit, "context": { "name": name }, "state": "succeeded",
        });
        let (answered, _) = gateway.api.post("/v1/statuses", Some(&status)).await;
        assert_eq!(answered, StatusCode::ACCEPTED);
    }
    commit
}

/// A linked gateway that nothing is delivered to: it posts the statuses of the test alone.
async fn linked_without_hooks(env: &Env) -> Gateway {
    let change = |settings: &mut Settings| settings.credential = env.service_user("");
    let gateway = Gateway::without_hooks(env, change).await;
    env.link(&gateway.url).await;
    gateway
}

fn pats(env: &Env) -> Vec<Pat> {
    env.shell.ado(|ado| ado.pats().to_vec())
}

/// Every PAT was used at most once and is no longer active.
fn check_all_ended(env: &Env) {
    for pat in pats(env) {
        assert!(pat.used + pat.refused_uses <= 1, "used twice: {pat:?}");
        assert_ne!(pat.state(pat.valid_from_ms), PatState::Active, "{pat:?}");
    }
}

/// Waits until the problem of the organization contains these words, and returns its text.
async fn problem(gateway: &Gateway, words: &str) -> String {
    let says = |body: &Value| {
        body["problems"]["fabrikam"].as_str().is_some_and(|reason| reason.contains(words))
    };
    let ready = gateway.api.until("/readyz", says).await;
    ready["problems"]["fabrikam"].as_str().unwrap_or_default().to_owned()
}

async fn until_no_problems(gateway: &Gateway) {
    gateway.api.until("/readyz", |body| body["problems"] == json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn every_call_has_a_pat_of_its_own_whose_name_says_what_it_is_for() {
    for (seed, keys) in [(1601, ""), (1602, "mint_ahead = false")] {
        let env = Env::new(seed);
        let gateway = env.linked(|settings| settings.credential = env.service_user(keys)).await;
        let (id, commit) = env.open("topic");
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
        env.until_idle(&gateway.api).await;
        env.check_invariants();
        gateway.stop().await;
        // A stop waits for the last revocation.
        check_all_ended(&env);
        let pats = pats(&env);
        for pat in &pats {
            assert!(["vso.code", "vso.code_status"].contains(&pat.scope.as_str()), "{pat:?}");
            assert!(pat.valid_to_ms - pat.valid_from_ms <= 300_000, "{pat:?}");
            assert!(!pat.all_orgs, "{pat:?}");
        }
        if seed == 1602 {
            assert!(pats.iter().all(|pat| pat.used == 1), "each was used: {pats:?}");
            let run = env.until_started("unit-tests", &commit).await;
            let of_run = pats.iter().filter(|pat| pat.display_name.ends_with(&run));
            assert!(of_run.count() >= 3, "iterations and statuses of the run: {pats:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn the_audit_log_has_the_mint_use_and_revocation_of_a_pat() {
    let env = Env::new(1603);
    let gateway =
        env.linked(|settings| settings.credential = env.service_user("mint_ahead = false")).await;
    let commit = queue_statuses(&env, &gateway, &["scan"]).await;
    env.until_commit_status(&commit, "scan", "succeeded").await;
    env.until_all_revoked().await;
    let pat = pats(&env).pop().expect("one was minted");
    let path = format!("/v1/audit?pat={}", pat.authorization_id);
    let life = gateway.api.until(&path, |list| list["items"].as_array().unwrap().len() == 3).await;
    let entry = |at: usize, field: &str| life["items"][at][field].clone();
    assert_eq!(
        [entry(2, "action"), entry(1, "action"), entry(0, "action")],
        ["mint", "use", "revoke"]
    );
    for at in 0..3 {
        assert_eq!(entry(at, "outcome"), "done", "{life}");
        assert_eq!(entry(at, "identity"), SERVICE_USER, "{life}");
        assert_eq!(entry(at, "scope"), "vso.code_status", "{life}");
    }
    assert_eq!(entry(2, "lifetime_s"), 300);
    assert!(!life.to_string().contains(&pat.secret));
    let id = entry(2, "id");
    assert_eq!(gateway.api.get(&format!("/v1/audit/{id}")).await["action"], "mint");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_policy_that_forbids_pats_is_named_and_statuses_wait() {
    let env = Env::new(1604);
    let gateway = env.linked(|_| {}).await;
    env.shell.ado(|ado| ado.pat_rules.allows_creation = false);
    let commit = queue_statuses(&env, &gateway, &["scan"]).await;
    let reason = problem(&gateway, "disablePatCreationPolicyViolation").await;
    assert!(reason.contains("allow list"), "{reason}");
    let refused = gateway.api.items("/v1/audit?action=mint&outcome=refused").await;
    assert!(!refused.is_empty());
    env.shell.ado(|ado| ado.pat_rules.allows_creation = true);
    // Linking again makes waiting statuses due.
    env.link(&gateway.url).await;
    env.until_commit_status(&commit, "scan", "succeeded").await;
    until_no_problems(&gateway).await;
    gateway.stop().await;
    check_all_ended(&env);
}

#[tokio::test(flavor = "multi_thread")]
async fn minting_is_repeated_at_once_after_a_transient_error() {
    let env = Env::new(1605);
    let gateway = env.linked(|_| {}).await;
    env.shell.ado(|ado| ado.fail_minting("failedToIssueAccessToken", 2));
    let commit = queue_statuses(&env, &gateway, &["scan"]).await;
    env.until_commit_status(&commit, "scan", "succeeded").await;
    gateway.stop().await;
    check_all_ended(&env);
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_pat_whose_mint_answer_was_lost_is_found_and_revoked() {
    let env = Env::new(1606);
    let gateway = env.linked(|_| {}).await;
    let rule = Rule::new("POST", PATS, Action::DropAfter).next(1);
    env.shell.ado(|ado| ado.faults.add(rule));
    let commit = queue_statuses(&env, &gateway, &["scan"]).await;
    env.until_commit_status(&commit, "scan", "succeeded").await;
    env.until_all_revoked().await;
    let lost: Vec<_> = pats(&env).into_iter().filter(|pat| pat.used == 0).collect();
    assert!(!lost.is_empty(), "a PAT was minted and never used");
    // The audit log gets its entry once the answer to the revocation has come.
    let is_lost = |entry: &Value| entry["pat"] == lost[0].authorization_id;
    let has_lost = |list: &Value| list["items"].as_array().unwrap().iter().any(is_lost);
    gateway.api.until("/v1/audit?action=revoke&outcome=done", has_lost).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pat_is_revoked_although_its_caller_has_given_up() {
    let env = Env::new(1614);
    let gateway = env.linked_in_process().await;
    let mut settings = env.settings("127.0.0.1:1");
    settings.credential = env.service_user("mint_ahead = false");
    let config = settings.config();
    let identities = parts::identities(&config, gateway.app.store(), "1");
    let source = identities.sources().remove(0);
    let rule = Rule::new("POST", PATS, Action::Hold { before: false }).next(1);
    env.shell.ado(|ado| ado.faults.add(rule));
    let asking = source.credential(Scope::CodeStatus, Purpose::new("test"));
    let held = env.shell.wait_for_held(Duration::from_secs(20), 1);
    tokio::select! {
        issued = asking => panic!("the answer is held back: {issued:?}"),
        held = held => assert!(held.is_some(), "no PAT was requested"),
    }
    env.shell.release();
    env.until_all_revoked().await;
    assert_eq!(pats(&env).len(), 1);
    tokio::time::timeout(Duration::from_secs(5), source.pause())
        .await
        .expect("every PAT is revoked");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pats_of_others_are_not_revoked() {
    let env = Env::new(1607);
    let bearer = "a-bearer-of-the-same-user";
    let names = [
        "somebody's own",
        "azdo-gateway/00000000/00000000-1/status",
        "azdo-gateway/of another version",
    ];
    env.shell.ado(|ado| {
        let scopes = ["vso.pats", "vso.pats_manage"];
        ado.add_user_bearer(bearer, &env.identity, &scopes, 4_102_444_800_000);
        ado.pat_rules.expected_prefix = String::new();
    });
    let organization = env.shell.ado(|ado| ado.organization_url("fabrikam"));
    let valid_to = Clock::system().now().plus(Duration::from_secs(200));
    for name in names {
        let body = json!({
            "displayName": name, "scope": "vso.code", "validTo": valid_to, "allOrgs": false,
        });
        let url = format!("{organization}{PATS}?api-version=7.1-preview.1");
        let http = reqwest::Client::new();
        let answer = http.post(url).bearer_auth(bearer).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let gateway = env.linked(|_| {}).await;
    let revoked = |ado: &World| -> Vec<String> {
        let revoked = ado.pats().iter().filter(|pat| pat.revoked_at_ms.is_some());
        revoked.map(|pat| pat.display_name.clone()).collect()
    };
    env.until("the PAT of an older version is revoked", |ado, _| !revoked(ado).is_empty()).await;
    let listed = |ado: &World| ado.journal.count("GET", PATS);
    env.until("there was a second sweep", |ado, _| listed(ado) >= 3).await;
    assert_eq!(env.shell.ado(|ado| revoked(ado)), [names[2]]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pat_that_azure_devops_does_not_know_yet_is_not_used_again() {
    let env = Env::new(1608);
    let gateway = env.linked(|_| {}).await;
    env.shell.ado(|ado| ado.pat_rules.delay_ms = 700);
    let commit = queue_statuses(&env, &gateway, &["scan"]).await;
    env.until_commit_status(&commit, "scan", "succeeded").await;
    gateway.stop().await;
    check_all_ended(&env);
    assert!(pats(&env).iter().any(|pat| pat.refused_uses == 1), "the first PAT was used too early");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_says_to_sign_in_when_pats_are_refused_for_an_idle_account() {
    let env = Env::new(1609);
    let gateway = env.linked(|_| {}).await;
    env.shell.ado(|ado| ado.pat_rules.has_signed_in = false);
    queue_statuses(&env, &gateway, &["scan"]).await;
    let reason = problem(&gateway, "does not accept").await;
    assert!(reason.contains("sign in"), "{reason}");
    gateway.stop().await;
    check_all_ended(&env);
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_failed_revocation_is_repeated() {
    let env = Env::new(1610);
    let gateway = env.linked(|_| {}).await;
    let rule = Rule::new("DELETE", PATS, unavailable_503(1)).next(3);
    env.shell.ado(|ado| ado.faults.add(rule));
    let commit = queue_statuses(&env, &gateway, &["one", "two"]).await;
    env.until_commit_status(&commit, "two", "succeeded").await;
    env.until_all_revoked().await;
    let failed = gateway.api.items("/v1/audit?action=revoke&outcome=failed").await;
    assert!(!failed.is_empty());
    gateway.stop().await;
    check_all_ended(&env);
}

/// The number of minted PATs, and of the calls that may use them.
fn mints_and_posts(ado: &World) -> (usize, usize) {
    (ado.pats().len(), ado.journal.count("POST", "/statuses"))
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_seconds_apart_take_one_pat_each() {
    let env = Env::new(1615);
    let gateway = linked_without_hooks(&env).await;
    for context in ["1", "2", "3", "4"] {
        let commit = queue_statuses(&env, &gateway, &[context]).await;
        env.until_commit_status(&commit, context, "succeeded").await;
        let more = |ado: &World, _: &fakes::ci::World| {
            let (mints, posts) = mints_and_posts(ado);
            mints > posts
        };
        let is_minted_ahead = env.shell.wait_until(Duration::from_secs(1), more).await;
        assert!(!is_minted_ahead, "a PAT was minted that no call needs yet");
    }
    env.until_all_revoked().await;
    let (mints, posts) = env.shell.ado(|ado| mints_and_posts(ado));
    println!("{mints} mints for {posts} statuses a second apart");
    assert_eq!((mints, posts), (4, 4));
    gateway.stop().await;
    check_all_ended(&env);
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_burst_of_statuses_takes_one_pat_each() {
    let env = Env::new(1616);
    let gateway = linked_without_hooks(&env).await;
    let contexts: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    let contexts: Vec<&str> = contexts.iter().map(String::as_str).collect();
    let commit = queue_statuses(&env, &gateway, &contexts).await;
    for context in contexts {
        env.until_commit_status(&commit, context, "succeeded").await;
    }
    env.until_all_revoked().await;
    let (mints, posts) = env.shell.ado(|ado| mints_and_posts(ado));
    println!("{mints} mints for a burst of {posts} statuses");
    assert!(mints <= posts, "{mints} mints for {posts} statuses");
    gateway.stop().await;
    check_all_ended(&env);
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn in_steady_traffic_pats_are_minted_ahead_and_the_unused_ones_are_revoked() {
    let env = Env::new(1611);
    let gateway = linked_without_hooks(&env).await;
    let is_used_ahead = |pat: &Pat| pat.used > 0 && pat.display_name.contains("/ahead");
    let posting = async {
        while !pats(&env).iter().any(is_used_ahead) {
            let commit = queue_statuses(&env, &gateway, &["1", "2", "3", "4"]).await;
            env.until_commit_status(&commit, "4", "succeeded").await;
        }
    };
    tokio::time::timeout(WAIT_MAX, posting).await.expect("a PAT that was minted ahead is used");
    // Without demand the pool drops its PATs.
    env.until_all_revoked().await;
    let (mints, posts) = env.shell.ado(|ado| mints_and_posts(ado));
    println!("{mints} mints for {posts} statuses in steady traffic");
    gateway.stop().await;
    check_all_ended(&env);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_pat_use_window_one_pat_serves_all_calls_of_a_scope() {
    let env = Env::new(1612);
    env.shell.ado(|ado| ado.expects_single_use(false));
    let keys = r#"pat_use = "window""#;
    let gateway = env.linked(|settings| settings.credential = env.service_user(keys)).await;
    for branch in ["one", "two", "three"] {
        let (id, commit) = env.open(branch);
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
    }
    let minted = pats(&env);
    assert_eq!(minted.len(), 2, "one for reading, one for statuses: {minted:?}");
    assert!(minted.iter().any(|pat| pat.used > 5), "{minted:?}");
    gateway.stop().await;
    assert_eq!(env.shell.ado(|ado| ado.active_pats().count()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pats_that_are_valid_for_less_than_asked_are_used() {
    let env = Env::new(1613);
    env.shell.ado(|ado| ado.pat_rules.longest_ms = Some(60_000));
    let gateway = env.linked(|_| {}).await;
    let commit = queue_statuses(&env, &gateway, &["scan"]).await;
    env.until_commit_status(&commit, "scan", "succeeded").await;
    gateway.stop().await;
    check_all_ended(&env);
}
