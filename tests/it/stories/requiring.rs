//! Required checks: merging waits for them and not for those that do not apply. Policies of others
//! are never changed.

use azdo_gateway::domain::time::Timestamp;
use fakes::ado::policy::STATUS_POLICY;
use fakes::ado::{NewPullRequest, Permission};
use fakes::faults::{Action, Rule, server_error_500};
use fakes::http::Response;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Env, Gateway, PAT, Settings, check};

/// Hooks by hand, no catch-up, policies every second.
const MANAGED: &str = "hooks = false\ncatch_up = \"off\"\nreconcile = \"1s\"";
/// The same with catch-up.
const WITH_CATCH_UP: &str = "hooks = false\ncatch_up = \"1s\"\nreconcile = \"1s\"";
const RECONCILE: &str = "/v1/organizations/fabrikam/reconcile";

/// A check that is required for merging into main.
pub(super) fn required(keys: &str) -> String {
    check("unit-tests", &format!("target_branches = [\"main\"]\nrequired = true\n{keys}"))
}

pub(super) async fn start(env: &Env, checks: String) -> Gateway {
    start_with(env, MANAGED, checks).await
}

async fn start_with(env: &Env, organization: &str, checks: String) -> Gateway {
    env.shell.ado(|ado| {
        ado.revoke_token(PAT);
        let scopes = ["vso.code", "vso.code_status", "vso.code_write"];
        ado.add_pat(PAT, &env.identity, &scopes, 4_102_444_800_000);
    });
    Gateway::start_with(env, |settings: &mut Settings| {
        settings.organization = organization.to_owned();
        settings.checks = checks;
    })
    .await
}

/// Waits until a scan has ended that began after now.
async fn scanned(env: &Env, gateway: &Gateway) {
    const LIST: &str = "/git/pullrequests?";
    let before = env.shell.ado(|ado| ado.journal.count("GET", LIST));
    env.until("it looks again", |ado, _| ado.journal.count("GET", LIST) > before + 1).await;
    env.until_idle(&gateway.api).await;
}

/// Numbers and settings of the policies that the gateway's identity created.
pub(super) fn owned_policies(env: &Env) -> Vec<(u64, Value)> {
    env.shell.ado(|ado| {
        let owned_policies = ado.policies().filter(|policy| policy.created_by == env.identity);
        owned_policies.map(|policy| (policy.id, policy.settings.clone())).collect()
    })
}

pub(super) async fn until_owned_policies(env: &Env, count: usize) {
    env.until(&format!("there are {count} policies of owned_policies"), |ado, _| {
        ado.policies().filter(|policy| policy.created_by == env.identity).count() == count
    })
    .await;
}

/// An administrator creates a policy. Returns its number.
pub(super) async fn made_by_an_administrator(env: &Env, settings: Value) -> u64 {
    let administrator = "token-of-an-administrator";
    env.shell.ado(|ado| {
        let admin = ado.create_identity("Admin", "admin@fabrikam.example");
        ado.add_pat(administrator, &admin, &["app_token"], i64::MAX);
    });
    let body = json!({
        "isEnabled": true, "isBlocking": true, "type": { "id": STATUS_POLICY },
        "settings": settings,
    });
    let path = "_apis/policy/configurations?api-version=7.1";
    let url = format!("{}/fabrikam/{}/{path}", env.shell.url(), env.project);
    let request = reqwest::Client::new().post(url).basic_auth("", Some(administrator)).json(&body);
    let answer = request.send().await.expect("Azure DevOps answers");
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
    answer.json::<Value>().await.unwrap()["id"].as_u64().expect("it has a number")
}

/// Asks for a pass over the policies and waits for its outcome.
pub(super) async fn reconciled(gateway: &Gateway) -> Value {
    let (status, asked) = gateway.api.post(RECONCILE, None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let time = |value: &Value| Timestamp::parse(value.as_str().unwrap_or_default());
    let asked_at = time(&asked["asked_at"]);
    let of_policies = |answer: &Value| {
        let items = answer["items"].as_array().expect("it lists turns").iter();
        items.clone().find(|outcome| outcome["reconciler"] == "policies").cloned()
    };
    let is_later = |outcome: Value| time(&outcome["at"]) >= asked_at;
    let answer = gateway.api.until(RECONCILE, |answer| of_policies(answer).is_some_and(is_later));
    of_policies(&answer.await).expect("it was just there")
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn merging_waits_for_a_required_check() {
    let env = Env::new(4201);
    env.disable_ci_reports();
    let gateway = start(&env, required("")).await;
    until_owned_policies(&env, 1).await;
    let expected = json!({
        "statusGenre": "ci",
        "statusName": "unit-tests",
        "authorId": env.identity,
        "invalidateOnSourceUpdate": true,
        "policyApplicability": null,
        "defaultDisplayName": "ci/unit-tests",
        "filenamePatterns": [],
        "scope": [{ "repositoryId": env.repository, "refName": "refs/heads/main",
            "matchKind": "Exact" }],
    });
    assert_eq!(owned_policies(&env)[0].1, expected);
    let (id, commit) = env.open("topic");
    assert!(env.shell.ado(|ado| ado.try_complete(id)).unwrap_err().contains("is queued"));
    let run = env.until_started("unit-tests", &commit).await;
    env.until_status(id, &commit, "unit-tests", "pending").await;
    env.shell.ado(|ado| ado.try_complete(id)).unwrap_err();
    env.report(&run, "succeeded");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.shell.ado(|ado| ado.try_complete(id)).expect("nothing is left to wait for");
    let plan = gateway.api.get("/v1/organizations/fabrikam/plan").await;
    assert_eq!(plan["items"], json!([]));
    let answer = gateway.api.get("/v1/permissions").await;
    assert_eq!(answer["policies"][0]["problem"], Value::Null, "{answer}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_check_that_does_not_apply_does_not_keep_from_merging() {
    let env = Env::new(4202);
    let refused = Response::json(403, &json!({ "message": "TF401027: no" }));
    let rule = Rule::new("GET", "/labels", Action::Respond(refused));
    env.shell.ado(|ado| ado.faults.add(rule));
    let gateway = start_with(&env, WITH_CATCH_UP, required("labels = [\"e2e\"]")).await;
    until_owned_policies(&env, 1).await;
    // No hook delivers labels: until they were read, the pull request may have the wanted one.
    let (id, commit) = env.open("topic");
    env.until("its labels are asked for", |ado, _| ado.journal.count("GET", "/labels") > 1).await;
    env.until_decided(&gateway.api).await;
    let found = gateway.api.items("/v1/deliveries?limit=500").await;
    let why = "unit-tests not started: its labels are not known yet";
    let waits = |found: &Value| found["reason"].as_str().is_some_and(|reason| reason.contains(why));
    assert!(found.iter().any(waits), "{found:?}");
    let shown = env.statuses(id, "unit-tests");
    assert!(shown.iter().all(|status| status.state == "pending"), "{shown:?}");
    assert!(env.shell.ado(|ado| ado.try_complete(id)).unwrap_err().contains("is queued"));
    env.shell.ado(|ado| ado.faults.clear());
    env.until_status(id, &commit, "unit-tests", "notApplicable").await;
    let words = "Not applicable: it has none of the labels [e2e]";
    env.until_description(id, &commit, "unit-tests", words).await;
    env.shell.ado(|ado| ado.try_complete(id)).expect("the check does not apply");
    assert_eq!(env.starts(), 0);
    // A draft waits, and is decided when it is published.
    let (draft, commit) = env.shell.ado(|ado| {
        let commit = ado.push(&env.repository, "draft", "Work");
        let new = NewPullRequest::new(&env.repository, "draft", "main").draft();
        (ado.open_pull_request(&new), commit)
    });
    env.until_decided(&gateway.api).await;
    assert!(!env.shell.ado(|ado| ado.policies_satisfied(draft)));
    env.shell.ado(|ado| ado.publish(draft));
    env.until_status(draft, &commit, "unit-tests", "notApplicable").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_no_hook_delivers_makes_merging_wait_for_the_check() {
    let env = Env::new(4210);
    let gateway = start_with(&env, WITH_CATCH_UP, required("labels = [\"e2e\"]")).await;
    until_owned_policies(&env, 1).await;
    let (id, commit) = env.shell.ado(|ado| {
        let commit = ado.push(&env.repository, "topic", "Work");
        let id = ado.open_pull_request(&NewPullRequest::new(&env.repository, "topic", "main"));
        ado.add_label(id, "e2e");
        (id, commit)
    });
    env.until_started("unit-tests", &commit).await;
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let exempt = |env: &Env| {
        let all = env.statuses(id, "unit-tests");
        all.iter().filter(|status| status.state == "notApplicable").count()
    };
    assert_eq!(exempt(&env), 0, "it cannot be merged before the check has run");
    // Removed, which no list shows, and added again.
    env.shell.ado(|ado| ado.remove_label(id, "e2e"));
    env.until_status(id, &commit, "unit-tests", "notApplicable").await;
    scanned(&env, &gateway).await;
    let asked = |env: &Env| env.shell.ado(|ado| ado.journal.count("GET", "/labels"));
    let before = asked(&env);
    scanned(&env, &gateway).await;
    assert_eq!(
        asked(&env),
        before,
        "a pull request that is known to have no labels is not asked for them again"
    );
    env.shell.ado(|ado| ado.add_label(id, "e2e"));
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    assert_eq!(env.starts(), 1);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_is_retargeted_gets_the_status_that_applies_there() {
    let env = Env::new(4203);
    env.disable_ci_reports();
    let gateway = start(&env, required("")).await;
    until_owned_policies(&env, 1).await;
    let (id, commit) = env.shell.ado(|ado| {
        let head = ado.head(&env.repository, "main").map(str::to_owned).unwrap();
        ado.create_branch(&env.repository, "somewhere", &head);
        let commit = ado.push(&env.repository, "topic", "Work");
        let new = NewPullRequest::new(&env.repository, "topic", "somewhere");
        (ado.open_pull_request(&new), commit)
    });
    env.until_status(id, &commit, "unit-tests", "notApplicable").await;
    assert_eq!(env.starts(), 0);
    env.until_decided(&gateway.api).await;
    env.shell.ado(|ado| ado.retarget(id, "main"));
    env.until_started("unit-tests", &commit).await;
    env.until_status(id, &commit, "unit-tests", "pending").await;
    env.shell.ado(|ado| ado.try_complete(id)).unwrap_err();
    // And away again while it runs: the run is cancelled, and the status says not applicable.
    env.until_idle(&gateway.api).await;
    env.shell.ado(|ado| ado.retarget(id, "somewhere"));
    env.until_status(id, &commit, "unit-tests", "notApplicable").await;
    env.until_idle(&gateway.api).await;
    assert_eq!(gateway.api.items("/v1/runs").await[0]["state"], "cancelled");
    env.until_status(id, &commit, "unit-tests", "notApplicable").await;
    let words = "Not applicable: target branch somewhere does not match target_branches [main]";
    env.until_description(id, &commit, "unit-tests", words).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_policy_that_drifted_is_repaired_and_a_deleted_one_is_created_again() {
    let env = Env::new(4204);
    let gateway = start(&env, required("")).await;
    until_owned_policies(&env, 1).await;
    let (id, before) = owned_policies(&env).remove(0);
    env.shell.ado(|ado| {
        ado.change_policy(id, |policy| {
            policy.is_blocking = false;
            policy.settings["authorId"] = Value::Null;
        });
    });
    env.until("it is as it was", |ado, _| {
        ado.policies()
            .any(|policy| policy.id == id && policy.is_blocking && policy.settings == before)
    })
    .await;
    env.shell.ado(|ado| assert!(ado.remove_policy(id)));
    until_owned_policies(&env, 1).await;
    assert_ne!(owned_policies(&env)[0].0, id);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_policy_is_not_changed_and_one_that_nothing_satisfies_is_reported() {
    let env = Env::new(4205);
    let scope = json!([{ "repositoryId": env.repository, "refName": "refs/heads/main",
        "matchKind": "exact" }]);
    let vain = json!({ "statusGenre": "build", "statusName": "unit-tests", "scope": scope });
    let vain = made_by_an_administrator(&env, vain).await;
    let all = |env: &Env| -> Vec<(u64, u64, Value)> {
        env.shell.ado(|ado| {
            let foreign = ado.policies().filter(|policy| policy.created_by != env.identity);
            foreign.map(|one| (one.id, one.revision, one.settings.clone())).collect()
        })
    };
    let before = all(&env);
    let gateway = start(&env, required("")).await;
    until_owned_policies(&env, 1).await;
    assert_eq!(reconciled(&gateway).await["changes"], 0);
    assert_eq!(all(&env), before);
    let plan = gateway.api.get("/v1/organizations/fabrikam/plan").await;
    let (step, words) =
        (&plan["items"][0], "waits for build/unit-tests, but the check posts ci/unit-tests");
    assert_eq!((&step["kind"], &step["action"]), (&json!("policy"), &json!("leave")), "{plan}");
    assert!(step["reason"].as_str().unwrap().contains(words), "{plan}");
    let answer = gateway.api.get("/v1/permissions").await;
    let found = answer["policies"].as_array().unwrap().iter();
    let found: Vec<&Value> = found.filter(|one| one["policy"] == vain).collect();
    assert!(found[0]["problem"].as_str().unwrap().contains(words), "{answer}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn without_required_checks_policies_are_removed_and_no_call_is_made() {
    let env = Env::new(4206);
    let gateway = start(&env, required("")).await;
    until_owned_policies(&env, 1).await;
    gateway.stop().await;
    let gateway = start(&env, check("unit-tests", "")).await;
    until_owned_policies(&env, 0).await;
    // From now on no call is needed; a call with the revoked token would be a problem.
    reconciled(&gateway).await;
    env.shell.ado(|ado| ado.revoke_token(PAT));
    assert_eq!(reconciled(&gateway).await["problem"], Value::Null);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_may_not_edit_policies_is_a_problem_with_what_to_do() {
    let env = Env::new(4207);
    let identity = env.identity.clone();
    env.shell.ado(|ado| ado.deny(&identity, Permission::EditPolicies, None));
    let gateway = start(&env, required("")).await;
    let of_fabrikam = "/v1/organizations/fabrikam";
    let has_problem = |answer: &Value| answer["problems"].to_string().contains("EditPolicies");
    let answer = gateway.api.until(of_fabrikam, has_problem).await;
    assert!(answer["problems"].to_string().contains("permissions check"), "{answer}");
    let answer = gateway.api.get("/v1/permissions").await;
    let problem = answer["policies"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("no policy makes main wait for it"), "{problem}");
    assert!(owned_policies(&env).is_empty());
    env.shell.ado(|ado| ado.allow(&identity, Permission::EditPolicies));
    reconciled(&gateway).await;
    until_owned_policies(&env, 1).await;
    gateway.api.until(of_fabrikam, |answer| answer["problems"] == json!([])).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_user_manages_policies_with_tokens_of_their_own() {
    let env = Env::new(4208);
    let gateway = env
        .linked(|settings| {
            settings.organization = MANAGED.to_owned();
            settings.checks = required("");
        })
        .await;
    until_owned_policies(&env, 1).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.shell.ado(|ado| ado.try_complete(id)).expect("the check has succeeded");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn no_policy_is_created_twice_when_answers_are_lost() {
    let env = Env::new(4209);
    env.shell.ado(|ado| {
        // A list that fails, and creations whose answers are lost.
        ado.faults.add(Rule::new("GET", "/policy/configurations", server_error_500()).next(1));
        ado.faults.add(Rule::new("POST", "/policy/configurations", Action::DropAfter).next(2));
    });
    let checks = "target_branches = [\"main\", \"release/*\"]\nrequired = true";
    let gateway = start(&env, check("unit-tests", checks)).await;
    until_owned_policies(&env, 2).await;
    reconciled(&gateway).await;
    let outcome = reconciled(&gateway).await;
    assert_eq!((&outcome["changes"], &outcome["problem"]), (&json!(0), &Value::Null), "{outcome}");
    assert_eq!(owned_policies(&env).len(), 2);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn an_open_pull_request_is_decided_again_when_a_check_becomes_required() {
    let env = Env::new(4211);
    let (past, before) = env.open("past");
    let checks = "target_branches = [\"next\"]\nrequired = true";
    let gateway = start_with(&env, WITH_CATCH_UP, check("unit-tests", checks)).await;
    until_owned_policies(&env, 1).await;
    let (id, commit) = env.open("topic");
    // No policy waits for the check yet.
    env.until_status(id, &commit, "unit-tests", "notApplicable").await;
    gateway.stop().await;
    // From now on merging into main waits for the check, and an older status must not satisfy it.
    let gateway = start_with(&env, WITH_CATCH_UP, required("")).await;
    env.until_status(id, &commit, "unit-tests", "pending").await;
    env.until_status(past, &before, "unit-tests", "pending").await;
    let blocked = |id: u64| env.shell.ado(|ado| ado.try_complete(id)).unwrap_err();
    assert!(blocked(id).contains("is queued") && blocked(past).contains("is queued"));
    assert_eq!(env.starts(), 0, "a pull request that is older than the watch starts nothing");
    let pushed = env.push("topic");
    env.until_status(id, &pushed, "unit-tests", "succeeded").await;
    env.shell.ado(|ado| ado.try_complete(id)).expect("its check has succeeded");
    gateway.stop().await;
}
